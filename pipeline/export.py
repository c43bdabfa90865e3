"""Export a finished run, or the mean of several, for transformers, PEFT or onnxruntime; proven by reloading."""

import sys

from pipeline.compose.command_line import outcome, parse


def main() -> None:
    """`run=DIR format=huggingface|adapter|merged|onnx output=DIR`; `'run=[DIR,DIR]'` for the mean of their weights."""
    call = parse(sys.argv[1:], command="export")
    from pipeline.compose.several import open_several

    used = open_several(call.given("run"), call.overrides, call.config_dir, "export")
    from pipeline.exporting.export import export
    from pipeline.reporting.tables import show_paths

    folder, difference = export(used, used[0].format, used[0].output)
    show_paths(folder, sorted(path.name for path in folder.iterdir()))
    print(f"loaded in a fresh process it differs from the trained model by at most {difference:.1e}")


if __name__ == "__main__":
    outcome(main)
