"""Studies: what belongs together, one table over it, and no verdict across settings."""

import json
from dataclasses import replace

import pytest

from tests.chains import chain_preset, classified, hop, kept_as, saved
from tests.test_compare import finish
from workbench import bases, chain, session, study, study_report
from workbench.cli import main
from workbench.presets import MethodChoice
from workbench.result import Reason, Result
from workbench.source_table import scores_by_source
from workbench.spec import RunSpec, Setting
from workbench.study import find, of_setting, studies
from workbench.study_table import lines, table


def queued(store, monkeypatch, seeds=(0, 1)):
    """Two methods over two hops, and one that goes on from the better one."""
    monkeypatch.setattr(session, "model_revision", lambda *_: None)
    monkeypatch.setattr(session, "prepare_task", lambda *_: {})
    preset = chain_preset(
        hop("First", ["full", "lora"]),
        hop("Second", ["full", "lora"], **{"from": "each"}),
        hop("Third", ["head"]),
        seeds=list(seeds),
    )
    data = saved(store, classified(1), classified(2), classified(3))
    return session.submit(store, preset, prepared=data)


def end(store, run, accuracy, elsewhere=None, state="finished", reason=None):
    store.claim(run.id)
    result = Result(
        metrics={"accuracy": accuracy}, validation={"accuracy": accuracy}, elsewhere=elsewhere or {}
    )
    store.change_state(run.id, state, result=result if state == "finished" else None, reason=reason)


@pytest.fixture
def done(store, monkeypatch):
    submitted = queued(store, monkeypatch)
    (record,) = store.studies()
    first, second = (link.part.key for link in chain.links(record)[:2])
    runs = [store.run(one) for one in submitted.run_ids]
    for seed, group in enumerate((runs[:5], runs[5:])):
        full, lora, full_2, lora_2, head = group
        end(store, full, 0.90 + 0.02 * seed)
        end(store, lora, 0.80 + 0.02 * seed)
        end(store, full_2, 0.70, {first: {"accuracy": 0.50}})
        end(store, lora_2, 0.60, {first: {"accuracy": 0.75}})
        bases.decide(store, head.spec.setting.model)
        end(store, head, 0.65, {first: {"accuracy": 0.45}, second: {"accuracy": 0.70}})
    return store, record


def test_changes_are_measured_on_each_runs_own_way(done):
    store, record = done
    found = table(store, study.recorded(store, record))
    assert [(row.hop_title, row.label, row.seeds) for row in found.rows] == [
        ("First", "Full fine-tuning", (0, 1)),
        ("First", "LoRA", (0, 1)),
        ("Second", "Full fine-tuning", (0, 1)),
        ("Second", "LoRA", (0, 1)),
        ("Third", MethodChoice("head").choice().label, (0, 1)),
    ]
    first = (found.columns[0].key, "accuracy")
    full, lora, head = found.rows[2], found.rows[3], found.rows[4]
    assert full.cells[first].mean == pytest.approx(0.50)
    assert full.changes[first].mean == pytest.approx(-0.41)  # 0.50 less 0.90 and 0.92
    assert full.backward_transfer.mean == pytest.approx(-0.41)
    assert full.changes[first].low < -0.41 < full.changes[first].high
    assert lora.changes[first].mean == pytest.approx(-0.06)
    # The third hop went on from full, the better one on validation: both earlier tasks count.
    assert head.base == "best of Second: 3 Full fine-tuning"
    assert head.backward_transfer.mean == pytest.approx((-0.46 + 0.0) / 2)
    assert found.rows[0].backward_transfer is None
    assert found.seeds == 2


def test_a_line_follows_each_way_to_its_end(done):
    store, record = done
    found = table(store, study.recorded(store, record))
    drawn = {line.label: line for line in lines(found, found.columns[0])}
    assert [label.split()[0] for label in drawn] == [
        "4",
        "5",
    ]  # LoRA's way ends at the second hop, full's at the third
    (head,) = [line for line in drawn.values() if line.x[-1] == 3.0]
    assert head.x == (1.0, 2.0, 3.0)
    assert head.y == pytest.approx((0.91, 0.50, 0.45))
    assert head.seeds == 2
    assert head.low[0] < 0.9
    (lora,) = [line for line in drawn.values() if line.x[-1] == 2.0]
    assert lora.y == pytest.approx((0.81, 0.75))


def test_a_retry_stands_in_its_place_and_what_failed_is_said(done):
    store, record = done
    member = record.runs[1][0]
    run = store.run(member)
    again = store.run(store.add([run.spec], retry_of=run.id)[0])
    end(store, again, 0.0, state="failed", reason=Reason("diverged", "The loss became infinite."))
    (now,) = store.studies()
    assert now.hop_of(again.id) == 0
    found = table(store, study.recorded(store, now))
    lora = next(row for row in found.rows if member in row.run_ids)
    assert lora.states == {"finished": 2, "failed": 1}
    text = study_report.to_text(found)
    assert "LoRA [1 failed]" in text
    assert "First, LoRA: The loss became infinite." in text
    assert "-41.0 ±" in text
    assert study_report.ACROSS in text


def test_with_its_last_run_a_study_goes(done):
    store, record = done
    for run_id, _ in record.runs:
        assert store.studies()
        store.delete(run_id)
    assert store.studies() == []


def test_studies_are_found_by_what_they_hold(done, monkeypatch):
    store, record = done
    (one,) = studies(store)
    assert (one.id, one.kind, one.varies) == (record.id, "chain", "")
    assert len(one.setting_ids) == 1 + 4 + 2
    assert find(store, record.id[:5]) == one
    assert of_setting(store, one.setting_ids[3]).id == record.id
    assert studies(store, owner="somebody else") == []
    with pytest.raises(LookupError, match=f"no study begins with 'zz'; known: {record.id[:8]}"):
        find(store, "zz")
    alone = finish(store, "lora", 0, 0.8)
    assert of_setting(store, store.run(alone).spec.setting.id) is None


def mixed_setting(store):
    rows = classified(1).rows
    marked = [{**row, "source": "one" if i < 6 else "two"} for i, row in enumerate(rows["test"])]
    data = kept_as("classification", "one", {**rows, "test": marked}, ("negative", "positive"))
    saved(store, data)
    return Setting(replace(data.spec, mix=({"source": "two"},)), "embedded:fable-8m"), marked


def test_a_mix_is_scored_for_each_source(store):
    setting, rows = mixed_setting(store)
    (run_id,) = store.add([RunSpec(setting, MethodChoice("lora").choice(), 0)])
    store.claim()
    store.run_folder(run_id).mkdir(parents=True)
    outcomes = [
        {"label": row["label"], "predicted": row["label"] if row["source"] == "one" else "?"} for row in rows
    ]
    (store.run_folder(run_id) / "outcomes.jsonl").write_text("\n".join(map(json.dumps, outcomes)))
    store.change_state(run_id, "finished", result=Result(metrics={"accuracy": 0.4}))
    found = scores_by_source(store, store.run(run_id))
    assert found == {"one": 1.0, "two": 0.0}
    one = of_setting(store, setting.id)
    assert (one.kind, one.title) == ("sources", "one and two")
    (row,) = table(store, one).rows
    assert {title: cell.mean for (title, _), cell in row.cells.items()} == {"one": 1.0, "two": 0.0}
    assert scores_by_source(store, store.run(finish(store, "lora", 0, 0.8))) == {}


def test_the_command_lists_and_prints_studies(done, capsys, monkeypatch):
    store, record = done
    where = ["--store", str(store.folder)]
    assert main(["study", *where]) == 0
    assert "A chain  hops, one after the other" in capsys.readouterr().out
    assert main(["study", record.id[:6], *where]) == 0
    out = capsys.readouterr().out
    assert out.index("goes on from") < out.index("/ setting ")
    assert out.count("/ setting ") == 7
    assert main(["study", record.id, "--json", *where]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["study"]["kind"] == "chain"
    assert document["rows"][2]["changes"][0]["mean"] == pytest.approx(-0.41)
    assert document["rows"][0]["changes"] == [None, None, None]
    assert len(document["settings"]) == 7
    assert main(["study", "zz", *where]) == 2


def test_an_empty_store_says_what_to_do(store, capsys):
    assert main(["study", "--store", str(store.folder)]) == 0
    assert "no studies yet" in capsys.readouterr().out
