# SPDX-License-Identifier: MIT
"""Bar charts and scaling curves, as PNG and SVG. Needs matplotlib (Debian: python3-matplotlib)."""
import os
import statistics
from collections import defaultdict

from . import stats
from .report import OURS

COLOURS = {"hakmem": "#c1272d", "glibc": "#4d4d4d", "mimalloc": "#1f77b4", "mimalloc3": "#1f77b4",
           "mimalloc2": "#a6c8e4", "jemalloc": "#e69f00",
           "tcmalloc": "#2ca02c", "rpmalloc": "#9467bd", "snmalloc": "#17becf", "tbbmalloc": "#8c564b",
           "floor": "#bbbbbb"}
OTHER_COLOURS = ("#e377c2", "#bcbd22", "#7f7f7f", "#aec7e8")
TITLES = {"producer_consumer": "producer_consumer (a pair of threads each)"}
CUT = 3.0   # bars end here; the figure stands beside them
KINDS = {"synthetic": "synthetic loads", "real": "real programs", "replay": "replays"}


def pyplot():
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("--draw needs matplotlib: apt install python3-matplotlib") from None
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
                                "svg.hashsalt": "hakmem", "svg.fonttype": "none"})
    import matplotlib.pyplot as plt
    return plt


def check():
    """Before hours of measuring: can there be drawings at the end?"""
    pyplot()


def colours(names):
    """The same colour for an allocator in every drawing."""
    others = list(OTHER_COLOURS)
    return {name: COLOURS.get(name) or (others.pop(0) if others else "#000000") for name in names}


def caption(results):
    host = results.hosts[0] if results.hosts else {}
    names = ", ".join(f"{n} ({results.versions[n].split(',')[0]})" for n in results.allocators() if n != "floor")
    return (f"{host.get('machine', '')}, {host.get('cpus', '?')} processors, Linux {host.get('kernel', '')}, "
            f"commit {host.get('commit', '')}, {results.first[:10]}\n{names}")


def save(plt, figure, directory, name, results):
    figure.text(0.01, 0.005, caption(results), fontsize=6, color="#555555", va="bottom", wrap=True)
    for suffix in ("png", "svg"):
        path = os.path.join(directory, f"{name}.{suffix}")
        figure.savefig(path, dpi=130, metadata={"Date": None} if suffix == "svg" else None)
        print(path)
    plt.close(figure)


def relative(results, lines, name, key):
    """Geometric mean, over lines, of what `name` needs for each that hakmem needs; None without a line."""
    pairs = []
    for line in lines:
        theirs, ours = results.values(line.name, name, key), results.values(line.name, OURS, key)
        if theirs and ours and min(min(theirs), min(ours)) > 0:
            pairs.append((statistics.median(theirs) / statistics.median(ours), line.weight or 1))
    return stats.geometric_mean(*zip(*pairs)) if pairs else None


def shown(results, groups, floor):
    """The allocators that ran a line of these."""
    return [n for n in results.allocators() if (floor or n != "floor")
            and any(results.values(line.name, n) for _, lines in groups for line in lines)]


def fill_panel(axes, results, groups, names, key, cut):
    """For each group of lines a bar of each allocator, hakmem being 1."""
    colour = colours(names)
    height = 0.8 / len(names)
    for g, (_, lines) in enumerate(groups):
        for i, allocator in enumerate(names):
            value = relative(results, lines, allocator, key)
            if value is None or (allocator == "floor" and key != "value"):
                continue
            y = g + (i - (len(names) - 1) / 2) * height
            axes.barh(y, min(value, cut), height * 0.92, color=colour[allocator])
            text = f"{value:.2f}" if value <= cut else f"{value:.1f} →"
            axes.text(min(value, cut) + 0.02, y, text, va="center", fontsize=5.5, color="#333333")
    axes.axvline(1, color=colour.get(OURS, "black"), linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(groups)), [label for label, _ in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(0, cut + 0.25)


def draw_bars(plt, results, groups, directory, name, floor=False):
    """A drawing of time and of memory for these groups of lines."""
    if not groups:
        return
    names = shown(results, groups, floor)
    height = 1.5 + len(groups) * (0.12 * len(names) + 0.1)
    figure, axes = plt.subplots(1, 2, figsize=(11.4, height))
    for panel, key, title in zip(axes, ("value", "peak_kib"), ("time", "peak resident memory")):
        fill_panel(panel, results, groups, names, key, CUT)
        panel.set_xlabel(f"{title}, hakmem = 1 (less is better)")
    axes[1].set_yticklabels([])
    handles = [plt.Rectangle((0, 0), 1, 1, color=c) for c in colours(names).values()]
    figure.legend(handles, names, ncol=min(len(names), 5), loc="upper center", frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.45 / height, 1, 1 - 0.45 / height))
    save(plt, figure, directory, name, results)


def groups_of(results, lines):
    """(families of synthetic lines, real programs and replays one by one, all and each kind together)"""
    families, programs, kinds = defaultdict(list), [], defaultdict(list)
    for line in lines:
        if not results.runs[line.name][OURS] or line.family.startswith("scaling"):
            continue
        kinds["all lines"].append(line)
        kinds[KINDS[line.kind]].append(line)
        if line.kind == "synthetic":
            families[line.family].append(line)
        else:
            programs.append((line.name, [line]))
    return list(families.items()), programs, list(kinds.items())


def draw_scaling(plt, results, lines, directory):
    """Work per second against threads, a panel for each load, the interquartile range as a band."""
    families = defaultdict(list)
    for line in lines:
        if line.family.startswith("scaling-") and any(results.runs[line.name].values()):
            families[line.family.removeprefix("scaling-")].append(line)
    if not families:
        return
    names = results.allocators()
    colour = colours(names)
    columns = min(len(families), 3)
    rows = -(-len(families) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(3.6 * columns, 3.0 * rows + 0.8), squeeze=False)
    for panel in list(panels.flat)[len(families):]:
        panel.axis("off")
    for panel, (family, members) in zip(panels.flat, families.items()):
        for name in names:
            draw_curve(panel, results, members, name, colour[name])
        panel.set_title(TITLES.get(family, family), fontsize=9)
        panel.set_xscale("log", base=2)
        panel.set_xticks([m.threads for m in members], [str(m.threads) for m in members])
        panel.set_ylim(bottom=0)
        panel.set_xlabel("threads")
        panel.set_ylabel("million operations a second")
    handles = [plt.Line2D([], [], color=colour[n], marker="o", markersize=3) for n in names]
    cpus = results.hosts[0]["cpus"] if results.hosts else "?"
    figure.legend(handles, names, ncol=min(len(names), 6), loc="upper center", frameon=False, fontsize=8,
                  title=f"all threads together, on {cpus} processors", title_fontsize=8)
    figure.tight_layout(rect=(0, 0.05, 1, 0.9))
    save(plt, figure, directory, "scaling", results)


def draw_curve(panel, results, members, name, colour):
    points = []
    for line in members:
        speeds = sorted(r["values"]["operations_per_second"] / 1e6 for r in results.runs[line.name][name])
        if speeds:
            quartiles = statistics.quantiles(speeds, n=4, method="inclusive") if len(speeds) > 1 else speeds * 3
            points.append((line.threads, quartiles[0], statistics.median(speeds), quartiles[2]))
    if points:
        x, low, middle, high = zip(*points)
        style = {"linewidth": 2.0, "zorder": 3} if name == OURS else {"linewidth": 1.0}
        panel.plot(x, middle, color=colour, marker="o", markersize=3, **style)
        panel.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def draw_all(results, lines, directory):
    plt = pyplot()
    os.makedirs(directory, exist_ok=True)
    families, programs, kinds = groups_of(results, lines)
    draw_bars(plt, results, kinds, directory, "overview")
    draw_bars(plt, results, families, directory, "synthetic", floor=True)
    draw_bars(plt, results, programs, directory, "programs")
    draw_scaling(plt, results, lines, directory)
