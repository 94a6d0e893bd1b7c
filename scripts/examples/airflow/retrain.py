"""A DAG for Airflow 3: each night the model is trained again when its policy says so, and released when it is better.

`MODELSERVE_HOME` is the checkout with its `.venv`, `MODELSERVE_STORE` the store; both are set for Airflow's workers.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    "retrain_flights",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # a night that was missed is not made up for: the policy looks at all windows since
    max_active_runs=1,
) as dag:
    BashOperator(
        task_id="retrain",
        bash_command="$MODELSERVE_HOME/scripts/retrain flights",
        retries=0,  # a version that was refused once is refused again
        execution_timeout=timedelta(hours=3),
    )
