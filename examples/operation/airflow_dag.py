"""An Airflow DAG that looks at a model in operation each night; a breach fails the task, and so does a look that could not look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.decorators import dag, task

MODEL = "models:/credit-scoring@champion"


@dag(schedule="15 2 * * *", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, default_args={"retries": 0}, tags=["aims"])
def watch_credit_scoring():
    @task(execution_timeout=timedelta(hours=1))
    def look(day: str) -> None:
        from airflow.exceptions import AirflowFailException

        from aims_mlflow.operation import monitor

        found = monitor(
            MODEL,
            f"/srv/credit/batches/{day}.parquet",
            system="/etc/aims/policies/credit-scoring.yaml",
            reference="/srv/credit/training/train.parquet",
            events="/var/log/credit/events",
        )
        if found.exit_code:  # 1: a breach, whose nonconformity is open now; 2: could not look
            raise AirflowFailException(f"{found.answer}: {found.reason} (run {found.run_id}; {', '.join(found.cases) or 'no case'})")

    @task
    def record() -> None:
        import aims_mlflow as aims

        aims.summarise("/etc/aims/policies/credit-scoring.yaml")

    look("{{ ds }}") >> record()


watch_credit_scoring()
