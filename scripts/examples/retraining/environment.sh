# shellcheck shell=sh
# For scripts/retrain and scripts/drift: the example, its model and its rows, and where the command and the store are.
example=flights
case "${1:-}" in flights | churn) example=$1 && shift ;; esac
model=$example rows=.cache/retraining/$example
export PATH="$PWD/.venv/bin:$PATH" PYTHONPATH="scripts:functions" MODELSERVE_STORE="${MODELSERVE_STORE:-$PWD/.cache/store}"
case $MODELSERVE_STORE in gs://*) ;; *) mkdir -p "$MODELSERVE_STORE" ;; esac
