"""A rollout from the first step to the last, and what it leaves behind."""

from __future__ import annotations

from dataclasses import replace

from contract.rollout.conftest import NEW, OLD, Rollout, locks, records, steps
from contract.rollout.revisions import Revision

ALL = ["pinned", "deployed", "tagged", "smoked", "shifted 5", "shifted 25", "shifted 50", "shifted 100", "promoted"]


def test_a_good_revision_gets_all_of_the_traffic_by_name_and_loses_its_tag(rollout: Rollout) -> None:
    told = rollout.json("--reason", "faster", "--serves", "churn-predict=churn/7")
    assert (told["outcome"], told["services"]) == ("promoted", {"churn-predict": {"serves": NEW, "before": OLD}})
    assert rollout.predict.shares() == {NEW: 100}
    assert rollout.predict.by_name()
    assert rollout.predict.tags() == {}


def test_a_golden_request_that_no_service_would_be_sent_is_refused_before_anything_is_deployed(
    rollout: Rollout,
) -> None:
    rollout.golden.write_text('{"model": "flights", "request": {"x": 1}, "expected": {"prediction": 9}}\n')
    assert "Golden request 1 is for no service" in rollout.json("--serves", "churn-predict=churn", code=2)["message"]
    assert (rollout.predict.latest_created, rollout.cloud.patches, records(rollout.command.store)) == (OLD, 0, [])


def test_the_record_tells_what_happened(rollout: Rollout) -> None:
    told = rollout("--reason", "faster").out
    (record,) = records(rollout.command.store)
    assert told == f"promoted: releases/{record['id']}.json\nchurn-predict serves {NEW} (before: {OLD})\n"
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


def test_on_google_cloud_the_identity_token_is_that_of_the_machine(rollout: Rollout) -> None:
    host = rollout.cloud.base.removeprefix("http://")
    there = {**rollout.command.environment, "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
    command = replace(rollout.command, environment=there)
    rollout.predict.deploy(Revision())
    rollout.predict.take({OLD: 100})
    command("rollout", "--predict", "churn-predict", "--shares", "100", "--watch", "0")
    assert rollout.predict.shares() == {NEW: 100}


def test_elsewhere_somebody_must_say_how_to_get_one(rollout: Rollout) -> None:
    nowhere = {**rollout.command.environment, "GCE_METADATA_HOST": "127.0.0.1:9", "GCE_METADATA_IP": "127.0.0.1:9"}
    command = replace(rollout.command, environment=nowhere)
    message = command("rollout", "--predict", "churn-predict", code=1).err
    assert '--token-command "gcloud auth print-identity-token"' in message
    assert rollout.cloud.patches == 0
