import pytest
import torch

from nmf_model.config import SolverConfig
from nmf_model.flow.grid import (
    EXTENT,
    GridFlow,
    flow_midpoint,
    gradient_energy,
    lipschitz_excess,
    velocity,
)
from nmf_model.flow.solver import integrate


def node_positions(size):
    along = torch.linspace(-EXTENT, EXTENT, size)
    z, y, x = torch.meshgrid(along, along, along, indexing="ij")
    return torch.stack([x, y, z], dim=-1)


def linear_field(matrix, size=9):
    """The velocity v(x) = matrix · x on a grid."""
    return (node_positions(size) @ matrix.T).permute(3, 0, 1, 2)


def random_flow(seed=0, scale=0.1):
    flow = GridFlow(3, (5, 9, 17))
    generator = torch.Generator().manual_seed(seed)
    for grid in flow.grids:
        grid.data = scale * torch.randn(grid.shape, generator=generator)
    return flow


def test_a_linear_field_is_interpolated_exactly():
    matrix = torch.tensor([[0.1, 0.2, -0.3], [0.4, -0.5, 0.6], [0.7, 0.8, 0.9]])
    x = torch.rand(50, 3) * 2 - 1
    assert torch.allclose(velocity(linear_field(matrix), x), x @ matrix.T, atol=1e-5)


def test_coarse_grids_are_represented_exactly_on_fine_ones():
    flow = random_flow()
    x = torch.rand(100, 3) * 2 - 1
    total = sum(velocity(grid[1], x) for grid in flow.grids)
    assert torch.allclose(velocity(flow.fields()[1], x), total, atol=1e-5)
    assert flow.fields(1).shape[-1] == 5
    assert flow.fields(2).shape[-1] == 9


def test_resolutions_that_do_not_nest_are_refused():
    with pytest.raises(ValueError, match="does not refine"):
        GridFlow(2, (5, 8))


def test_midpoint_is_that_of_the_solver():
    fields = random_flow().fields().detach()
    x = torch.rand(40, 3) - 0.5
    y = x[None]
    for field in fields:
        y = integrate(
            lambda _t, z, field=field: velocity(field, z), y, [0.0, 1.0], SolverConfig("midpoint", steps=4)
        ).states[-1]
    assert torch.allclose(flow_midpoint(x, fields, 4), y[0], atol=1e-5)


def test_a_linear_flow_is_the_matrix_exponential():
    matrix = torch.tensor([[0.0, -0.8, 0.0], [0.8, 0.0, 0.0], [0.0, 0.0, 0.2]])
    x = torch.rand(30, 3) - 0.5
    onto = flow_midpoint(x, linear_field(matrix)[None], 64)
    assert torch.allclose(onto, x @ torch.linalg.matrix_exp(matrix).T, atol=1e-4)


def test_excess_and_energy_of_a_linear_field():
    matrix = torch.tensor([[0.3, 0.0, 0.0], [0.0, 0.4, 0.0], [0.0, 1.2, 0.0]])
    fields = linear_field(matrix)[None]
    norm = matrix.square().sum()
    assert torch.allclose(gradient_energy(fields), norm, rtol=1e-4)
    assert torch.allclose(lipschitz_excess(fields, 1.0), norm - 1, rtol=1e-3)
    assert lipschitz_excess(fields, 1.4) == 0


def test_every_grid_and_the_start_have_a_gradient():
    flow = random_flow()
    x = (torch.rand(200, 3) * 2 - 1).requires_grad_()
    flow_midpoint(x, flow.fields(), 2).square().sum().backward()
    assert all(grid.grad is not None and grid.grad.abs().max() > 0 for grid in flow.grids)
    assert x.grad is not None
