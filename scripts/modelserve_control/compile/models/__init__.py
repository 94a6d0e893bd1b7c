"""One module for each family of predictors."""
