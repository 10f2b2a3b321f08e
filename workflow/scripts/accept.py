"""Judge the results by a policy of params.yaml, and write the verdicts."""

from oncorobust.base.files import whole_outputs
from oncorobust.base.layout import acceptance_file
from oncorobust.base.schema.version import write_results
from oncorobust.pipeline.policy_files import named_policy
from oncorobust.pipeline.policy_verdicts import judge_policy
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read a policy and the rows that it concerns, and write the verdict file."""
    name, params = parse("policy").policy, load_params()
    content = judge_policy(named_policy(params, name), params)
    with whole_outputs(acceptance_file(name)) as (draft,):
        write_results(draft, content)


if __name__ == "__main__":
    run(main)
