"""A GPU that is lent for a call: borrowed where a Space offers one, and nothing at all elsewhere."""

import sys
import types

import pytest

from workbench import background, gpu_lease


@pytest.fixture
def spaces(monkeypatch):
    """The package that such a Space has, as far as it is used."""
    calls = []

    def gpu(duration):
        def decorate(function):
            def lent(*arguments):
                calls.append((function.__name__, duration))
                return function(*arguments)

            return lent

        return decorate

    module = types.ModuleType("spaces")
    module.GPU = gpu
    monkeypatch.setitem(sys.modules, "spaces", module)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    return calls


def double(number):
    return 2 * number


def test_elsewhere_a_function_stays_what_it_is(monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert gpu_lease.on_leased_gpu()(double) is double
    assert "spaces" not in sys.modules


def test_where_a_gpu_is_lent_the_call_borrows_it(spaces):
    assert gpu_lease.on_leased_gpu(seconds=20)(double)(4) == 8
    assert spaces == [("double", 20)]


def test_inference_runs_under_the_lease_and_everything_else_in_its_child(spaces, monkeypatch):
    leased = gpu_lease.on_leased_gpu()(background._on_leased_gpu)
    monkeypatch.setattr(background, "_on_leased_gpu", leased)
    monkeypatch.setattr(background._Helper, "call", lambda *arguments: "in a child")
    assert background.call("tests.test_gpu_lease:double", 3, pool="inference") == 6
    assert spaces == [("_on_leased_gpu", gpu_lease.SECONDS)]
    assert background.call("tests.test_gpu_lease:double", 3, pool="estimate") == "in a child"
