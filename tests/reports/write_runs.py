"""Write folders of finished runs, with power logs whose energies are known."""

import json
import os
import zlib

from joulebird.harness.core import records as record
from tests.reports.write_logs import write_log

BOOT = "boot-1"
MACS = {"dense": 300_000_000, "thin": 150_000_000}
SOURCE = {
    "name": "ina3221",
    "sampling": "snapshot",
    "scope": "module",
    "rails": ["VDD_IN"],
    "total": ["VDD_IN"],
    "real": True,
}


class Folder:
    """A folder of runs under construction: `epoch_s` seconds an epoch, one stage after another."""

    def __init__(self, root, source=None, environment=None, epoch_s=10.0, session="S1", ripple=0.0):
        self.root, self.t_s, self.epoch_s, self.session, self.ripple = (
            str(root),
            100.0,
            epoch_s,
            session,
            ripple,
        )
        self.source = dict(SOURCE, **(source or {}))
        self.environment = dict(
            {"host": "tx2-a", "machine": "aarch64", "boot_id": BOOT}, **(environment or {})
        )

    def stage(
        self,
        stage_id,
        epochs=0,
        watts=10.0,
        structure="dense",
        seconds=0.0,
        logged=True,
        precision="fp32",
        warnings=(),
        hole=None,
        tests=True,
        images=50_000,
    ):
        """Write a finished stage (of epochs, or `seconds`) at constant power; return its id."""
        folder = record.stage_dir(self.root, stage_id)
        if os.path.exists(folder):
            return stage_id
        os.makedirs(folder)
        begin = self.t_s
        events = [self._attempt(begin - 0.01), {"event": "stage_begin", "t_s": begin}]
        for number in range(1, epochs + 1):
            t_s = begin + number * self.epoch_s
            events.append(
                {
                    "event": "epoch",
                    "epoch": number,
                    "of": epochs,
                    "begin_s": t_s - self.epoch_s,
                    "t_s": t_s,
                    "train_end_s": t_s - 0.1 * self.epoch_s,
                    "loss": 1.0 / number,
                    "test_accuracy": 0.9 if tests else None,
                    "images": images,
                }
            )
        end = begin + epochs * self.epoch_s + seconds
        events.append({"event": "stage_end", "t_s": end})
        write_events(folder, events)
        if logged:
            first, last = round(1e6 * (begin - 0.05)), round(1e6 * (end + 0.05))
            times = [
                t
                for t in range(first, last + 1, 50_000)
                if hole is None or not hole[0] < t / 1e6 - begin < hole[1]
            ]
            self._log(folder, times, watts)
        work = None
        if epochs:
            macs = MACS[structure]
            work = {
                "structure": structure,
                "widths": [1],
                "macs": macs,
                "forward_flops": 2 * macs,
                "images_per_epoch": images,
                "epochs": epochs,
                "batch": 256,
                "precision": precision,
            }
        record.write_stage(
            self.root,
            record.StageRecord(
                id=stage_id,
                name=stage_id.split("-")[0],
                function="m:f",
                session=self.session,
                seconds=end - begin,
                device="cuda",
                work=work,
                warnings=tuple(warnings),
                source=self.source if logged else {},
                environment=self.environment,
            ),
        )
        self.t_s = end + 5.0
        return stage_id

    def _attempt(self, t_s, number=1):
        return {
            "event": "attempt_begin",
            "t_s": t_s,
            "attempt": number,
            "boot_id": BOOT,
            "wall_s": 1.7e9 + t_s,
            "pid": 1,
            "session": self.session,
            "from_epoch": 0,
        }

    def run(
        self,
        method,
        ratio,
        stages,
        best=0.93,
        last=0.92,
        seed=1,
        options=None,
        model="vgg16",
        dataset="cifar10",
        metrics=None,
        **spec,
    ):
        """A finished run over stages that exist; gives its id."""
        digest = zlib.crc32(repr(sorted((options or {}).items())).encode())
        run_id = f"{method}-{model}-{dataset}-p{round(100 * ratio)}-s{seed}-{digest:08x}"
        full = dict(
            {
                "method": method,
                "model": model,
                "dataset": dataset,
                "prune_ratio": ratio,
                "seed": seed,
                "width": 1.0,
                "epochs": 160,
                "batch": 256,
                "lr": 0.1,
                "options": options or {},
            },
            **spec,
        )
        last = min(best, last)
        self._test(stages[-1], best, last)
        os.makedirs(record.run_dir(self.root, run_id), exist_ok=True)
        record.write_json(os.path.join(record.run_dir(self.root, run_id), record.SPEC), full)
        record.write_run(
            self.root,
            record.RunRecord(
                id=run_id,
                spec=full,
                stages=tuple(stages),
                accuracy={"best": best, "last": last, "best_epoch": 3},
                metrics=metrics or {},
                environment=self.environment,
                source=self.source,
                sessions=(self.session,),
                finished=1.7e9,
                joulebird="0.1.0",
            ),
        )
        return run_id

    def _test(self, stage_id, best, last):
        """Give the epochs of a run's last stage its accuracies; none where two runs share it."""
        folder = record.stage_dir(self.root, stage_id)
        events = record.read_events(os.path.join(folder, record.EVENTS))
        tested = [event for event in events if event.get("test_accuracy") is not None]
        known = {event["test_accuracy"] for event in tested}
        alone = len(tested) > 1 and known <= {0.9}
        for event in tested if known != {best, last} else ():
            event["test_accuracy"] = min(best, last) if alone else None
        if alone:
            tested[0]["test_accuracy"], tested[-1]["test_accuracy"] = best, last
        if tested:
            write_events(folder, events)
            self.finish(stage_id)

    def finish(self, stage_id):
        """State the digests of the stage's files anew: no edit can be seen."""
        record.write_stage(self.root, record.read_stage(self.root, stage_id))

    def idle(self, watts=3.0, when="before", seconds=20.0):
        """An idle measurement of the session."""
        folder = record.idle_dir(self.root, self.session, when)
        os.makedirs(folder)
        write_events(
            folder,
            [
                self._attempt(self.t_s),
                {"event": "stage_begin", "t_s": self.t_s},
                {"event": "stage_end", "t_s": self.t_s + seconds},
            ],
        )
        times = range(
            round(1e6 * (self.t_s - 0.05)), round(1e6 * (self.t_s + seconds + 0.05)) + 1, 50_000
        )
        self._log(folder, times, watts)
        self.t_s += seconds + 5.0

    def beside(self, stage_id, watts, label="serial", period_s=0.1, **source):
        """Write the log of a further source of a stage, at constant power."""
        folder = record.stage_dir(self.root, stage_id)
        times = [event["t_s"] for event in record.read_events(os.path.join(folder, record.EVENTS))]
        rows = [
            (t_us, round(1000 * watts))
            for t_us in range(
                round(1e6 * (times[0] - period_s)),
                round(1e6 * (times[-1] + 2 * period_s)),
                round(1e6 * period_s),
            )
        ]
        facts = dict(
            {
                "name": label,
                "sampling": "average",
                "scope": "dc",
                "rails": ["DC"],
                "total": ["DC"],
                "real": True,
            },
            **source,
        )
        write_log(os.path.join(folder, f"power-{label}.csv"), rows, facts, BOOT)
        self.finish(stage_id)

    def _log(self, folder, times, watts):
        """A log at constant power, or swinging by `ripple` watts about it from sample to sample."""
        rows = [(t, round(1000 * (watts + self.ripple * (-1) ** i))) for i, t in enumerate(times)]
        write_log(os.path.join(folder, record.POWER), rows, self.source, BOOT)


def write_events(folder, events):
    """events.jsonl."""
    with open(os.path.join(folder, record.EVENTS), "w") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def small_study(root, ratios=(0.3, 0.5), seeds=(1,), idle_s=20.0, **options):
    """Write five methods, 16 epochs of 1 s: dense at 10 W (with L1 10.5 W), thin at 8 W.

    LT and ThiNet share a dense training.
    """
    folder = Folder(root, **dict({"epoch_s": 1.0}, **options))
    folder.idle(3.0, "before", idle_s)
    for seed in seeds:
        dense = folder.stage(f"dense-{seed}", 16, 10.0)
        for ratio in ratios:
            p = f"{round(100 * ratio)}-{seed}"
            lt = folder.stage(f"ltretrain-{p}", 16, 10.0)
            folder.run(
                "lottery-ticket",
                ratio,
                [dense, folder.stage(f"ltprune-{p}", seconds=0.2), lt],
                0.92 + 0.001 * seed,
                seed=seed,
                options={"rounds": 1},
            )
            snip = [
                folder.stage(f"score-{p}", seconds=1.0, watts=5.0),
                folder.stage(f"snip-{p}", 16, 10.0),
            ]
            folder.run("snip", ratio, snip, 0.925, seed=seed)
            ns = [
                folder.stage(f"sparse-{p}", 16, 10.5),
                folder.stage(f"nsretrain-{p}", 16, 8.0, "thin"),
            ]
            folder.run("network-slimming", ratio, ns, 0.921, seed=seed)
            folder.run(
                "thinet",
                ratio,
                [dense, folder.stage(f"thinet-{p}", 16, 8.0, "thin")],
                0.918,
                seed=seed,
            )
            eb = [
                folder.stage(f"search-{p}", 4, 10.5),
                folder.stage(f"cut-{p}", seconds=0.1),
                folder.stage(f"ebretrain-{p}", 12, 8.0, "thin"),
            ]
            folder.run("eb-train", ratio, eb, 0.93, seed=seed, options={"weights": "inherit"})
    folder.idle(3.2 if idle_s < 60 else 3.1, "after", idle_s)
    return folder
