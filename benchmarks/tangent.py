"""Speed of the tangent engine, on a made-up survey of the default organism's size.

240 problems that move and 120 that are read, about 14 edges and 9 distinct answers each, 8 prompts of 16 answers in 8
mini-batches, PPO's clip, Adam. Processor time and seconds for eleven rewards of 200 seeds and 20 phases, in proportion
to what was run.

Example: python benchmarks/tangent.py --coordinates 1024 4096
"""

import argparse
import time

import torch

from clipbias.simulate.tangent.engine import Training, simulate_tangent
from clipbias.simulate.tangent.reading import Observable, Reader
from clipbias.simulate.tangent.tree import PADDING, Tree
from clipbias.theory.surrogate import PpoClip
from clipbias.theory.update_rule import Adam, UpdateRule

WHOLE = 11 * 200  # trainings of a forecast
TRAINING = Training(
    groups=8,
    group_size=16,
    minibatches=8,
    learning_rate=1e-4,
    surrogate=PpoClip(0.2, 0.2),
    update=UpdateRule(optimizer=Adam(0.9, 0.95), max_grad_norm=1.0, split=True),
)


def survey(problems: int, coordinates: int, seed: int) -> Tree:
    """Every problem: a first token of two kinds, then two to nine continuations of each, of which every third goes on
    to a node of two more."""
    rng = torch.Generator().manual_seed(seed)
    node, edge_problem, log_prob, problem, path = [], [], [], [], []

    def law(size: int) -> list[int]:
        """A new node; its edges."""
        first, number = len(node), node[-1] + 1 if node else 0
        node.extend([number] * size)
        edge_problem.extend([place] * size)
        share = torch.rand(size, generator=rng) + 0.05
        log_prob.extend((0.98 * share / share.sum()).log().tolist())
        return list(range(first, first + size))

    for place in range(problems):
        for kind in law(2):
            for i, answer in enumerate(law(int(torch.randint(2, 10, (), generator=rng)) - 1)):
                for way in [[kind, answer, end] for end in law(2)] if i % 3 == 2 else [[kind, answer]]:
                    problem.append(place)
                    path.append(way + [PADDING] * (3 - len(way)))
    edges, answers = len(node), len(problem)
    return Tree(
        gradients=torch.randn(edges, coordinates, generator=rng),
        scale=torch.ones(coordinates),
        log_prob=torch.tensor(log_prob),
        length=torch.ones(edges),
        node=torch.tensor(node),
        edge_problem=torch.tensor(edge_problem),
        problem=torch.tensor(problem),
        count=torch.randint(1, 4, (answers,), generator=rng).float(),
        tokens=torch.full((answers,), 12),
        path=torch.tensor(path),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coordinates", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--phases", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=2, help="of which the one of least processor time counts")
    options = parser.parse_args()
    for coordinates in options.coordinates:
        moving, read = survey(240, coordinates, 1), survey(120, coordinates, 2)
        rewards = (torch.arange(len(moving.problem)) % 3 == 0).float()
        kinds = (torch.arange(len(read.problem)) % 2 == 0).float()
        reader = Reader(read, [Observable("share", kinds, torch.ones(len(kinds)))])
        found = []
        for _ in range(options.repeats):
            wall, busy = time.perf_counter(), time.process_time()
            simulate_tangent(moving, rewards, reader, TRAINING, options.phases, options.seeds, 1)
            found.append((time.process_time() - busy, time.perf_counter() - wall))
        busy, wall = min(found)
        times = WHOLE / options.seeds * 20 / options.phases
        print(
            f"{coordinates} coordinates, {len(moving.node) / 240:.1f} edges a problem: "
            f"{busy * times:.0f} s of processor time, {wall * times:.0f} s of {torch.get_num_threads()} threads"
        )


if __name__ == "__main__":
    main()
