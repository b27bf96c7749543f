"""Golden numbers: the paper's grids (Eq. 16, beta_min = 0.1, beta_max = 20), its posteriors, and the released code's tables."""

from __future__ import annotations

import pytest
import torch

from gentoolkit.components.schedules.linear import Linear
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward
from gentoolkit.registry import Facts

PRINTED = {
    1: ([0.999957], [4.318575e-05]),
    2: ([0.920936, 0.999454], [7.906381e-02, 4.318575e-05]),
    4: ([0.476320, 0.849023, 0.956473, 0.987451], [5.236797e-01, 7.906381e-02, 3.441407e-03, 4.318575e-05]),
    8: (
        [0.154620, 0.380539, 0.546084, 0.667389, 0.756276, 0.821409, 0.869136, 0.904108],
        [
            *(8.453803e-01, 5.236797e-01, 2.377065e-01, 7.906381e-02),
            *(1.926975e-02, 3.441407e-03, 4.503575e-04, 4.318575e-05),
        ],
    ),
}
RELEASED = {  # start = 1e-3, in float32: betas, products of sqrt(1 - beta), and their noise
    1: ([0.999956787], [0.00657368731], [0.999978364]),
    2: ([0.921324015, 0.999451041], [0.280492395, 0.0065719001], [0.959856272, 0.999978364]),
    4: (
        [0.478255302, 0.84920603, 0.95641768, 0.987403929],
        [0.722319007, 0.280492365, 0.0585566498, 0.00657194247],
        [0.69156003, 0.959856272, 0.998284101, 0.999978364],
    ),
}


def grid(T, start=0.0):
    return VP(start=start).build(Facts(), {}).grid(T)


def posterior(T, start=0.0):
    t = torch.arange(1, T + 1)
    return [v.tolist() for v in GaussianForward(grid(T, start)).posterior_coefficients(t, t - 1)]


@pytest.mark.parametrize("T", PRINTED)
def test_betas_and_alpha_bars_to_the_printed_digits(T):
    betas, alpha_bars = PRINTED[T]
    assert [f"{b:.6f}" for b in grid(T).beta[1:].tolist()] == [f"{b:.6f}" for b in betas]
    assert [f"{a:.6e}" for a in grid(T).alpha_bar[1:].tolist()] == [f"{a:.6e}" for a in alpha_bars]


def test_the_coarse_grids_reappear_in_the_fine_one():
    fine = grid(8).alpha_bar
    assert torch.allclose(grid(4).alpha_bar, fine[::2], rtol=1e-14)
    assert torch.allclose(grid(2).alpha_bar, fine[::4], rtol=1e-14)


def test_the_ends_of_a_thousand_steps():
    betas = grid(1000).beta
    assert f"{betas[1]:.4e}" == "1.0994e-04"
    assert f"{betas[1000]:.4e}" == "1.9792e-02"


def test_the_released_start_of_time():
    assert [f"{b:.6f}" for b in grid(4, 1e-3).beta[1:].tolist()] == ["0.478255", "0.849206", "0.956418", "0.987404"]


@pytest.mark.parametrize("T", RELEASED)
def test_the_tables_of_the_released_code(T):
    betas, alphas, sigmas = RELEASED[T]
    made = grid(T, 1e-3)
    # 1 - alpha_bar ratios lose digits near 1, and the released cumulative products are of float32.
    assert made.beta[1:].tolist() == pytest.approx(betas, rel=2e-7)
    assert made.alpha[1:].tolist() == pytest.approx(alphas, rel=3e-4 if T == 1 else 2e-6, abs=4e-6)
    assert made.sigma[1:].tolist() == pytest.approx(sigmas, rel=2e-7)
    assert made.alpha[0] == 1
    assert made.sigma[0] == 0


def test_the_posterior_at_four_steps_to_the_printed_digits():
    c_x0, c_xt, variance = ([f"{v:.6f}" for v in values] for values in posterior(4))
    assert c_x0 == ["1.000000", "0.667149", "0.269873", "0.057930"]
    assert c_xt == ["0.000000", "0.200967", "0.192799", "0.111641"]
    assert variance == ["0.000000", "0.439126", "0.883892", "0.984095"]


def test_the_posteriors_of_the_released_code():
    # Their float32 products are off by up to 1e-6, at T = 2 by 7e-6, and 1.00000012 stands for 1.
    c_x0, c_xt, variance = posterior(4, 1e-3)
    assert c_x0 == pytest.approx([1.00000012, 0.665778458, 0.269190848, 0.0578215607], rel=3e-6)
    assert c_xt == pytest.approx([0, 0.201576263, 0.193000868, 0.111852221], rel=3e-6)
    assert variance == pytest.approx([0, 0.440819144, 0.884202421, 0.984060764], rel=3e-6)
    c_x0, c_xt, variance = posterior(2, 1e-3)
    assert (c_x0[1], c_xt[1], variance[1]) == pytest.approx((0.280350536, 0.0215874333, 0.920858085), rel=1e-5)


def test_the_factors_of_the_variational_bound():
    """½ (SNR_{t-1} - SNR_t) at T = 4: the latent budget per squared error, in nats."""
    snr = GaussianForward(grid(4)).snr(torch.arange(1, 5))
    assert [f"{v:.4f}" for v in ((snr[:-1] - snr[1:]) / 2).tolist()] == ["0.5068", "0.0412", "0.0017"]


def test_eq_15_as_printed_would_be_wrong():
    """The paper prints 1/sqrt(alpha_bar_t); the algebra gives 1/sqrt(alpha_t): 1.4, 3.6 and 17 times less at t = 2..4."""
    made = grid(4)
    excess = (1 - made.beta[2:]).sqrt() / made.alpha_bar[2:].sqrt()
    assert [round(v, 1) for v in excess.tolist()] == [1.4, 3.6, 17.0]
    q, t = GaussianForward(made), torch.tensor([2, 3, 4])
    x_t, eps = torch.ones(3, 1, dtype=torch.float64), torch.full((3, 1), 0.3, dtype=torch.float64)
    mean = q.posterior(q.x_0_from_eps(eps, x_t, t), x_t, t).mean[:, 0]
    beta, bar = made.beta[2:], made.alpha_bar[2:]
    eq_13 = (x_t[:, 0] - beta / (1 - bar).sqrt() * eps[:, 0]) / (1 - beta).sqrt()
    assert torch.allclose(mean, eq_13, rtol=1e-9)


def test_linear_selects_native_steps_and_never_rescales():
    """Scaling betas by 1000/T would give beta_T = 5 at T = 4."""
    curve = Linear().build(Facts(), {})
    native, few = curve.grid(1000), curve.grid(4)
    assert torch.allclose(few.alpha_bar, native.alpha_bar[::250], rtol=1e-13)
    assert bool((few.beta < 1).all())
    odd = curve.grid(7)
    assert torch.allclose(odd.alpha_bar, native.alpha_bar[[round(1000 * t / 7) for t in range(8)]], rtol=1e-13)
