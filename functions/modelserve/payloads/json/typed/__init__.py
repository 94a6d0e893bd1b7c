"""JSON read in one pass by types that are made of a signature: every cell is decoded as its column's type.

This decoder refuses nothing. Whatever is unusual or wrong gives None: a cell of another type, a column too few, a key
twice, a number that a double would round. Then the reporting decoder reads the body again and says what it is. Where both
take a body they take it as the same, which a test holds for every form.
"""
