"""The machine's own counters of energy, with a powercap folder like the kernel's."""

from workbench import energy


def package(folder, number, value, most=1_000_000_000):
    path = folder / f"intel-rapl:{number}"
    path.mkdir(parents=True)
    (path / "energy_uj").write_text(str(value))
    (path / "max_energy_range_uj").write_text(str(most))
    return path / "energy_uj"


def test_joules_between_begin_and_end_of_all_packages(tmp_path):
    first, second = package(tmp_path, 0, 5_000_000), package(tmp_path, 1, 999_000_000)
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the first: counted in it already
    meter = energy.meter("cpu", tmp_path)
    assert meter.source == "rapl"
    meter.begin()
    first.write_text("8000000")
    second.write_text("1000000")  # started again from 0
    meter.end()
    assert meter.joules == 3 + 2
    first.write_text("90000000")  # between two steps
    meter.begin()
    first.write_text("91000000")
    meter.end()
    assert meter.joules == 6


def test_a_machine_that_does_not_tell_has_no_meter(tmp_path):
    assert energy.meter("cpu", tmp_path) is None
    assert energy.meter("cpu", tmp_path / "nothing") is None


def test_a_counter_that_stops_answering_costs_a_figure_and_no_run(tmp_path):
    path = package(tmp_path, 0, 1)
    meter = energy.meter("cpu", tmp_path)
    meter.begin()
    path.unlink()
    meter.end()
    assert meter.joules == 0
