"""The data plane: one model behind an HTTPS function and a Pub/Sub topic.

Requests, events, rows of a batch job and of a comparison go the same way, each step in one place:

    bytes  -> Payload   payloads.decode      the media type and the form: a table of values, its params and method
    Payload -> Batch    schema.signature     every value in its column's type, or an error for each that does not fit
    Batch  -> outputs   models.scoring       one call of the model for what comes together, one answer for each row
    outputs -> bytes    http.answers, events.messages
"""
