"""The two reference rows of a classification table."""

import json
import subprocess
import sys

import pytest

from tests.training import LABELS, tiny_prepared
from workbench.data import Prepared
from workbench.references import FILE, reference_results
from workbench.spec import DataSpec


def test_tfidf_learns_what_words_tell_and_majority_does_not():
    majority, tfidf = reference_results(tiny_prepared())
    assert (majority["method"], tfidf["method"]) == ("majority", "tfidf")
    assert majority["metrics"]["accuracy"] == 0.5
    assert tfidf["metrics"]["accuracy"] > 0.8
    assert tfidf["options"]["C"] in (0.1, 1.0, 10.0, 100.0)
    assert tfidf["latency_ms_p50"] > 0
    for record in (majority, tfidf):
        assert record["peak_memory_bytes"] is None
        assert len(record["outcomes"]) == 32
        assert [o["label"] for o in record["outcomes"]] == [r["label"] for r in tiny_prepared().rows["test"]]
        right = sum(o["label"] == o["predicted"] for o in record["outcomes"]) / 32
        assert right == record["metrics"]["accuracy"]


def test_the_strength_is_chosen_on_the_validation_part(monkeypatch):
    from sklearn.linear_model import LogisticRegression

    fits = []
    real = LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda self, x, y: fits.append(self.C) or real(self, x, y))
    rows = dict(tiny_prepared().rows)
    rows["validation"] = [
        row | {"label": LABELS[1 - LABELS.index(row["label"])]} for row in rows["validation"]
    ]
    _, tfidf = reference_results(Prepared(tiny_prepared().spec, rows))
    assert fits == [0.1, 1.0, 10.0, 100.0]
    # Labels of the validation part turned round: the choice is bad there, and the test part is still judged as it is.
    assert tfidf["validation"]["accuracy"] < 0.2
    assert tfidf["metrics"]["accuracy"] > 0.8


def test_they_are_computed_once(tmp_path, monkeypatch):
    first = reference_results(tiny_prepared(), tmp_path)
    monkeypatch.setattr("workbench.label_references._tfidf", lambda prepared: pytest.fail("computed again"))
    assert reference_results(tiny_prepared(), tmp_path) == json.loads(json.dumps(first))


@pytest.mark.parametrize("content", ["", "{", '{"version": 0, "records": []}', "[]"])
def test_a_broken_or_old_file_is_made_anew(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    assert [r["method"] for r in reference_results(tiny_prepared(), tmp_path)] == ["majority", "tfidf"]
    assert json.loads((tmp_path / FILE).read_text())["records"]


@pytest.mark.parametrize("texts", [("one", "two", "three", "four"), ("!", "?", "!!", "??")])
def test_texts_that_share_no_word(texts):
    rows = [{"text": text, "label": LABELS[i % 2]} for i, text in enumerate(texts)]
    prepared = Prepared(DataSpec("few", labels=LABELS), dict.fromkeys(("train", "validation", "test"), rows))
    assert reference_results(prepared)[1]["metrics"]["accuracy"] >= 0.5


def test_a_label_that_train_never_saw_has_probability_0():
    prepared = tiny_prepared()
    spec = DataSpec("tiny", labels=("negative", "neutral", "positive"))
    for record in reference_results(Prepared(spec, prepared.rows)):
        assert all(o["probabilities"][1] == 0.0 for o in record["outcomes"])


def test_they_need_no_deep_learning_library():
    code = (
        "import sys\nfrom workbench.references import reference_results\n"
        "from workbench.data import Prepared\nfrom workbench.spec import DataSpec\n"
        "rows = [{'text': t, 'label': l} for t, l in [('good film', 'p'), ('bad film', 'n')] * 4]\n"
        "data = Prepared(DataSpec('x', labels=('n', 'p')), {k: rows for k in ('train', 'validation', 'test')})\n"
        "assert len(reference_results(data)) == 2\n"
        "assert not {'torch', 'transformers', 'evaluate', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
