"""The fit's optimiser: the same numbers as torch's own, without the wait for torch's compiler."""

from __future__ import annotations

import torch

from nmf_model.fitting.adam import Adam


def test_its_steps_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(3, size, generator=generator) for size in (4, 7)]
    ours = [t.clone().requires_grad_() for t in start]
    theirs = [t.clone().requires_grad_() for t in start]
    adam = Adam(ours, [0.1, 0.02])
    reference = torch.optim.Adam(
        [{"params": [t], "lr": r} for t, r in zip(theirs, adam.rates, strict=True)],
        betas=(0.9, 0.99),
        fused=True,
    )
    for step in range(12):
        adam.rates[0] = reference.param_groups[0]["lr"] = 0.1 / (1 + step)
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            # The second one joins late and rests once, like the finer grids of a fit.
            rests = k == 1 and (step < 3 or step == 7)
            a.grad = None if rests else torch.randn(a.shape, generator=generator)
            b.grad = None if rests else a.grad.clone()
        adam.step()
        reference.step()
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a, b)
    assert not any(torch.equal(a, b) for a, b in zip(ours, start, strict=True))
