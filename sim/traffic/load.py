"""The cocotb test behind `hardslice bench --load`: latency at rising load, written to the file that `+run=` names."""

import json
from pathlib import Path

import cocotb

from ram import load_card

from .desk import WRITE, Desk
from .measure import SINGLE, Bench


@cocotb.test()
async def load(dut: object) -> None:
    """Single requests at each rate of each curve, which has a route for each host and core.

    A route has eight entries, the numbers of regions of its port; a request goes to one of them at random.
    """
    settings = json.loads(Path(str(cocotb.plusargs["run"])).read_text(encoding="utf-8"))
    manifest = json.loads(Path(settings["manifest"]).read_text(encoding="utf-8"))
    bench = Bench(Desk(dut, manifest, load_card(Path(settings["manifest"]))))
    await bench.desk.boot()
    await bench.set_up()
    found = []
    for curve in settings["curves"]:
        points = []
        for rate in curve["rates"]:
            for port, route in zip(bench.ports, curve["routes"], strict=True):
                packed = sum(region << 3 * place for place, region in enumerate(route))
                await bench.tell(port, curve["plane"], SINGLE, route=packed, region_mask=7, rate=rate)
            everybody = await bench.window()
            seen = [everybody[port, curve["plane"]] for port in bench.ports]
            completed = [one.completed for one in seen]
            points.append(
                {
                    "rate": rate,
                    "completed": completed,
                    "mean": sum(one.latency_sum for one in seen) / max(1, sum(completed)),
                    "longest": max(one.latency_max for one in seen),
                }
            )
        found.append({"plane": "write" if curve["plane"] == WRITE else "read", "points": points})
    assert not bench.errors, f"{bench.errors} wrong answers"
    Path(settings["result"]).write_text(json.dumps({"curves": found}, indent=2) + "\n", encoding="utf-8")
