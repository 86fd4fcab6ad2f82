"""The pages' tables of results say what the metadata of the presets says."""

from pathlib import Path

import pytest

from iprnn_tf.models import IPRNN

ROOT = Path(__file__).parent.parent
DIGITS = {  # Behind the point, in tables of means and of lead times.
    "mse": (2, 1),
    "mae": (2, 1),
    "psnr": (2, 1),
    "ssim_skimage_legacy": (4, 3),
    "ssim_skimage": (4, 3),
    "ssim_uint8": (4, 3),
    "ssim_gaussian": (4, 3),
    "ssim_gaussian_valid": (4, 3),
}
AT_LEAD_TIMES = ("mse", "mae", "psnr", "ssim_skimage")
PROTOCOLS = ("canonical", "svg")


def results(protocol):
    """The rows of all presets and the baselines by name."""
    rows = {}
    for name, metadata in IPRNN.presets.items():
        [result] = [each for each in metadata["results"] if each["protocol"] == protocol]
        baselines = {key: row for key, row in result["results"].items() if key != "IPRNN"}
        rows[f"`{name}`"] = result["results"]["IPRNN"]
    return rows | baselines


def line(cells):
    return f"| {' | '.join(cells)} |"


def table_of_means(protocol):
    rows = results(protocol)
    lines = [line(["mean over lead times", *rows]), "|---|" + "---:|" * len(rows)]
    for metric, (digits, _) in DIGITS.items():
        means = [f"{row[metric]['mean']:.{digits}f}" for row in rows.values()]
        lines.append(line([metric, *means]))
    return "\n".join(lines)


def table_of_lead_times(protocol):
    lines = [
        line(["lead time", "", *map(str, range(1, 11))]),
        "|---|---|" + "---:|" * 10,
    ]
    for metric in AT_LEAD_TIMES:
        for name in IPRNN.presets:
            values = results(protocol)[f"`{name}`"][metric]["per_lead_time"]
            cells = [f"{value:.{DIGITS[metric][1]}f}" for value in values]
            lines.append(line([metric, f"`{name}`", *cells]))
    return "\n".join(lines)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("table", [table_of_means, table_of_lead_times])
def test_the_page_of_results_has_the_tables_of_all_presets(table, protocol):
    expected = table(protocol)
    page = (ROOT / "docs" / "results.md").read_text()
    assert expected in page, f"docs/results.md lacks:\n\n{expected}"


def test_the_rows_of_presets_in_the_readme_are_theirs():
    readme = (ROOT / "README.md").read_text().replace("*", "")
    rows = [[cell.strip() for cell in text.split("|")] for text in readme.splitlines()]
    found = {row[1].partition(",")[0]: row[2:6] for row in rows if row[1:]}
    own = {name: row for name, row in results("canonical").items() if name in found}
    assert own
    for name, row in own.items():
        digits = {"mse": 1, "mae": 1, "psnr": 2, "ssim_skimage": 3}
        assert found[name] == [f"{row[key]['mean']:.{n}f}" for key, n in digits.items()]
