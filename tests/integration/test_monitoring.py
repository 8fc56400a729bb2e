# SPDX-License-Identifier: Apache-2.0
"""What config/ has for Prometheus and Grafana goes with what the daemon exports."""

import json
import re
import shutil
import subprocess

import pytest
from conftest import ROOT, Daemon

RULES = ROOT / "config" / "prometheus" / "hologram.rules.yml"
DASHBOARD = ROOT / "config" / "grafana" / "hologram-program-cache.json"
METRIC = re.compile(r"(?<![\w:])hologram_\w+")
RECORDED = re.compile(r"\w+:hologram_\w+:\w+")
promtool = pytest.mark.skipif(shutil.which("promtool") is None,
                              reason="promtool comes with `make lint`")


@pytest.fixture(scope="module")
def samples():
    """Samples of a real scrape, after a hit and a miss: labels by name."""
    with Daemon() as daemon, daemon.connect() as client:
        for id in (1, 2, 3):
            client.alloc(id, 8)
        for _ in range(2):
            client.execute("vector_add", [1, 2], [3])
        body = daemon.http("/metrics")[2]
    found = {}
    for name, labels in re.findall(r"(?m)^(\w+)(?:\{(.*)\})? \S+$", body):
        found.setdefault(name, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels)))
    return found


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def recorded():
    return re.findall(r"- record: (\S+)", RULES.read_text(encoding="utf-8"))


def rules_text():
    """The rules without comments."""
    return re.sub(r"(?m)#.*$", "", RULES.read_text(encoding="utf-8"))


def queries(dashboard):
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return texts + [variable["query"]["query"] for variable in dashboard["templating"]["list"]
                    if variable["type"] == "query"]


def test_rules_name_what_is_exported(samples):
    """Every metric exists, and what one rule takes from another is recorded before it."""
    assert set(METRIC.findall(rules_text())) - set(samples) == set()
    known = set()
    for rule in re.split(r"- record: ", rules_text())[1:]:
        name, expression = rule.split("\n", 1)
        assert set(RECORDED.findall(expression)) <= known, name
        known.add(name.strip())
    assert len(known) == len(recorded()) == 3


def test_dashboard_names_what_exists(samples, dashboard):
    """Every metric is in a real scrape, every recorded series is one of the rules'."""
    for query in queries(dashboard):
        assert set(METRIC.findall(RECORDED.sub("", query))) - set(samples) == set(), query
        assert set(RECORDED.findall(query)) <= set(recorded()), query
    assert set(recorded()) & set(RECORDED.findall(" ".join(queries(dashboard))))


def test_dashboard_names_labels_that_exist(samples, dashboard):
    """What is summed by, joined on or shown in a legend is a label of what is queried."""
    of_prometheus = {"job", "instance"}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            labels = set(of_prometheus)
            for name in METRIC.findall(target["expr"]):
                labels |= set(samples.get(name, [{}])[0])
            for grouped in re.findall(r"(?:by|on|group_left) \(([^)]*)\)", target["expr"]):
                assert set(re.split(r", *", grouped)) <= labels, target["expr"]
            shown = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            assert set(shown) <= labels | {"cache"}, target["legendFormat"]


def test_the_default_leaves_out_what_counts_only_unfused(samples, dashboard):
    """The variable's default chooses the caches that always count, by the info metric's label."""
    [counts] = [variable for variable in dashboard["templating"]["list"]
                if variable["name"] == "counts"]
    assert counts["current"]["value"] == ["always"]
    values = {labels["counts"] for labels in samples["hologram_program_cache_info"]}
    assert values == set(counts["query"].split(","))
    [panel] = [panel for panel in dashboard["panels"] if panel["title"] == "Hit rate per cache"]
    assert 'counts=~"$counts"' in panel["targets"][0]["expr"]


def test_dashboard_is_whole(dashboard):
    """Panels have ids of their own, a unit and a description, and lie on the grid side by side."""
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        assert panel["description"].endswith(".") and panel["fieldConfig"]["defaults"]["unit"]
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24
        taken |= cells
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__rate_interval"}
    assert used == variables


@promtool
def test_rules_are_what_prometheus_wants():
    """promtool finds nothing to complain of."""
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True,
                          text=True)
    assert done.returncode == 0 and "3 rules found" in done.stdout, done.stdout + done.stderr


@promtool
def test_queries_are_what_prometheus_understands(dashboard, tmp_path):
    """Every panel's expression, with its variables filled in, parses."""
    lines = ["groups:", "- name: panels", "  rules:"]
    for number, query in enumerate(queries(dashboard)):
        if query.startswith("label_values"):
            continue
        query = query.replace("$__rate_interval", "5m").replace("$counts", "always")
        query = re.sub(r"\$\w+", ".*", query)
        lines += [f"  - record: panel:{number}", f"    expr: {json.dumps(query)}"]
    (tmp_path / "panels.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = subprocess.run(["promtool", "check", "rules", str(tmp_path / "panels.yml")],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


TEST = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - series: 'hologram_program_cache_hits_total{{job="h",instance="a",cache="relu"}}'
    values: '0+90x10'
  - series: 'hologram_program_cache_misses_total{{job="h",instance="a",cache="relu",reason="evicted"}}'
    values: '0+6x10'
  - series: 'hologram_program_cache_misses_total{{job="h",instance="a",cache="relu",reason="flushed"}}'
    values: '0+4x10'
  - series: 'hologram_program_cache_hits_total{{job="h",instance="a",cache="fill"}}'
    values: '0+0x10'
  - series: 'hologram_program_cache_misses_total{{job="h",instance="a",cache="fill",reason="evicted"}}'
    values: '0+100x10'
  - series: 'hologram_program_cache_hits_total{{job="h",instance="a",cache="idle"}}'
    values: '7+0x10'
  - series: 'hologram_program_cache_misses_total{{job="h",instance="a",cache="idle",reason="evicted"}}'
    values: '7+0x10'
  promql_expr_test:
  - expr: round(instance_cache:hologram_program_cache_hit_ratio:rate5m, 0.001)
    eval_time: 10m
    exp_samples:
    - labels: '{{job="h",instance="a",cache="relu"}}'
      value: 0.9
    - labels: '{{job="h",instance="a",cache="fill"}}'
      value: 0
  - expr: round(instance:hologram_program_cache_hit_ratio:rate5m, 0.001)
    eval_time: 10m
    exp_samples:
    - labels: '{{job="h",instance="a"}}'
      value: 0.45
"""


@promtool
def test_rules_compute_hit_rates(tmp_path):
    """90 of 100 are 90 %; nothing found is 0; nothing asked is no rate at all."""
    (tmp_path / "test.yml").write_text(TEST.format(rules=RULES), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(tmp_path / "test.yml")],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_are_installed(tmp_path):
    """`make install` puts them where the documentation says."""
    done = subprocess.run(["make", "-n", "install", f"DESTDIR={tmp_path}", "prefix=/usr"],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("hologram.rules.yml", "hologram-program-cache.json"):
        assert f"/usr/share/hologram/{name}" in done.stdout
