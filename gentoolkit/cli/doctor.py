"""`gentool doctor`."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Show versions, devices and plugins, and what is missing."""
    import os
    import shutil

    import torch
    import torch.distributed as dist

    from gentoolkit.engine.storage.folder import versions
    from gentoolkit.registry import get_registry

    for name, number in versions().items():
        click.echo(f"{name:<14} {number}")
    click.echo(f"{'cores':<14} {os.cpu_count()}")
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            p = torch.cuda.get_device_properties(i)
            click.echo(f"{f'cuda:{i}':<14} {p.name}, {p.total_memory / 2**30:.0f} GiB, bf16 {torch.cuda.is_bf16_supported()}")
    else:
        click.echo(f"{'cuda':<14} none; training runs on the CPU")
    backends = [b for b, ok in (("gloo", dist.is_gloo_available()), ("nccl", dist.is_nccl_available())) if ok]
    click.echo(f"{'distributed':<14} {', '.join(backends) or 'not available: --nproc will not work'}")
    free = shutil.disk_usage(".").free / 2**30
    click.echo(f"{'disk':<14} {free:.1f} GiB free here" + (": checkpoints may not fit" if free < 1 else ""))
    for name in ("inception", "timm"):
        for file in get_registry().find("features", name)().weight_files():  # type: ignore[attr-defined]
            click.echo(f"{'weights':<14} {name}: {file.trouble() or file.find()}")
    for plugin in get_registry().plugins.values():
        plugin.load()
        if plugin.namespace:
            click.echo(f"{'plugin':<14} {plugin.namespace} ({plugin.distribution}): {plugin.status} {plugin.reason}")
        elif plugin.status != "ok":
            click.echo(f"{'components':<14} {plugin.status}: {plugin.reason}")
