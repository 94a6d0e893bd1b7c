# shellcheck shell=sh
# For scripts/retrain and scripts/drift: the example, its model and its rows, and where the command and the store are.
example=flights
case "${1:-}" in
flights | churn) example=$1 && shift ;;
*) case ${MODELSERVE_STORE:-} in gs://*)
    echo "$0: the store is $MODELSERVE_STORE. Name your model and its policy in $0, or an example: $0 flights" >&2
    exit 2
    ;; esac ;;
esac
model=$example rows=.cache/retraining/$example
export PATH="$PWD/.venv/bin:$PATH" PYTHONPATH="scripts:functions" MODELSERVE_STORE="${MODELSERVE_STORE:-$PWD/.cache/store}"
case $MODELSERVE_STORE in gs://*) ;; *) mkdir -p "$MODELSERVE_STORE" ;; esac
if ! [ -f "$rows/held_out.parquet" ]; then
    new=$rows.$$
    mkdir -p "$new"
    trap 'rm -rf "$new"' EXIT
    python -m examples.retraining.rows "$example" "$new"
    rm -rf "$rows"
    mv "$new" "$rows"
    trap - EXIT
fi
