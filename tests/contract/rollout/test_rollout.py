"""A rollout from the first step to the last, and what it leaves behind."""

from __future__ import annotations

from contract.rollout.conftest import NEW, OLD, Rollout, locks, records, steps

ALL = ["pinned", "deployed", "tagged", "smoked", "shifted 5", "shifted 25", "shifted 50", "shifted 100", "promoted"]


def test_a_good_revision_gets_all_of_the_traffic_by_name_and_loses_its_tag(rollout: Rollout) -> None:
    told = rollout.json("--reason", "faster", "--model", "churn", "--model-version", "7")
    assert (told["outcome"], told["services"]) == ("promoted", {"churn-predict": {"serves": NEW, "before": OLD}})
    assert rollout.predict.shares() == {NEW: 100}
    assert rollout.predict.by_name()
    assert rollout.predict.tags() == {}


def test_the_record_tells_what_happened(rollout: Rollout) -> None:
    rollout("--reason", "faster")
    (record,) = records(rollout.command.store)
    assert steps(record) == ALL
    assert (record["outcome"], record["reason"], record["started_by"]) == ("promoted", "faster", "ann@example.com")
    assert record["services"]["churn-predict"] == {
        "name": "projects/p/locations/r/services/churn-predict",
        "function": "predict",
        "pinned": OLD,
        "newest": OLD,
        "candidate": NEW,
    }
    seen = {entry["step"]: entry["seen"]["churn-predict"] for entry in record["steps"] if "seen" in entry}
    assert seen["smoked"]["golden"] == 1
    assert seen["smoked"]["model_version"] == "7"
    assert not seen["shifted 5"]["judged"]  # five callers and two probes
    assert seen["shifted 25"]["judged"]
    assert seen["shifted 25"]["pinned"]["requests"] == 75
    assert locks(rollout.command.store) == []
