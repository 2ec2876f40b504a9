"""The converter's command lines: each parses, calls, and prints one sentence for an error a user can act on."""

import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from converter.gates import USUAL, Limits
from facemask_edge.errors import FacemaskError
from facemask_edge.values import Label

EXIT_USAGE = 64
EXIT_FAULT = 70
EXIT_INTERRUPTED = 130

Data = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder with with_mask/ and without_mask/, or with boxes.jsonl; may be given several times.",
    ),
]
# A list option takes one value at a time; this makes `--data A B` mean the same as `--data A --data B`.
MoreData = Annotated[list[Path], typer.Argument(metavar="DIR", help="More folders, as in --data A B.")]

Labels = Annotated[
    str | None, typer.Option(metavar="A,B", help="Order of the outputs; otherwise the manifest beside MODEL says.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there already.")]


def train_model() -> NoReturn:
    """Run ``train-model``."""
    _run("train-model", _train_model)


def train_detector() -> NoReturn:
    """Run ``train-detector``."""
    _run("train-detector", _train_detector)


def convert_model() -> NoReturn:
    """Run ``convert-model``."""
    _run("convert-model", _convert_model)


def evaluate_model() -> NoReturn:
    """Run ``evaluate-model``."""
    _run("evaluate-model", _evaluate_model)


def _train_model(  # noqa: PLR0913 - one parameter an option
    *,
    data: Data,
    more_data: MoreData = [],  # noqa: B006 - typer reads the default and never changes it
    weights: Annotated[Path, typer.Option(metavar="FILE", help="ImageNet weights of MobileNetV2 without top.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The .keras file to write.")] = Path(
        "models/mask_classifier.keras"
    ),
    recipe: Annotated[
        Literal["default", "paper"], typer.Option(help="Ours, or that of the paper: frozen backbone, random split.")
    ] = "default",
    split: Annotated[
        Literal["groups", "random"] | None,
        typer.Option(help="Keep near-duplicates on one side, or split at random; otherwise the recipe decides."),
    ] = None,
    test_part: Annotated[
        float | None, typer.Option(min=0, max=0.9, help="Part of the single faces that is only tested with.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Rounds of training at the most.")] = None,
    copies: Annotated[
        int | None, typer.Option(min=1, help="Crops of each face in a round, all but one of them augmented.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the initial head and all variation.")] = 0,
    split_seed: Annotated[int, typer.Option(min=0, help="Decides which pictures are tested with and held out.")] = 0,
    limit: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="At most N pictures of each folder, for a quick try.")
    ] = None,
    teacher: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="A .keras file whose judgement is taught beside the labels; repeatable."),
    ] = [],  # noqa: B006 - as above
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for a table and the curves of the rounds.")
    ] = None,
    force: Force = False,
) -> None:
    """Train the mask classifier on pictures of faces with and without a mask.

    Interrupted, the same command goes on after the last whole round.
    """
    # Imported here: an unknown option or --help must not wait for TensorFlow.
    from converter.recipes import RECIPES  # noqa: PLC0415
    from converter.train_model import train_model  # noqa: PLC0415

    if teacher and recipe == "paper":
        raise typer.BadParameter("the paper's recipe has no teachers", param_hint="--teacher")
    usual = RECIPES[recipe]
    chosen = replace(
        usual,
        split=split or usual.split,
        test_part=usual.test_part if test_part is None else test_part,
        epochs=epochs or usual.epochs,
        copies=copies or usual.copies,
        seed=seed,
        split_seed=split_seed,
        limit=limit,
    )
    train_model(
        data=[*data, *more_data],
        weights=weights,
        output=output,
        recipe=chosen,
        teachers=teacher,
        report=report,
        force=force,
    )


def _train_detector(  # noqa: PLR0913 - one parameter an option
    *,
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder with boxes.jsonl, or with with_mask/ and without_mask/, or with such folders; may be given "
            "several times.",
        ),
    ],
    more_data: MoreData = [],  # noqa: B006 - as in _train_model
    weights: Annotated[Path, typer.Option(metavar="FILE", help="The published yunet_n_320_320.onnx.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the models.")] = Path("models"),
    epochs: Annotated[
        int | None, typer.Option(min=0, help="Rounds of training; 0 only converts the initial weights.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the held-out part and all variation.")] = 0,
    force: Force = False,
) -> None:
    """Fine-tune the face detector on masked faces and quantize it.

    Interrupted, the same command goes on after the last whole round.
    """
    from converter.train_detector import EPOCHS, train_detector  # noqa: PLC0415 - as in _train_model

    train_detector(
        data=[*data, *more_data],
        weights=weights,
        output=output,
        epochs=EPOCHS if epochs is None else epochs,
        seed=seed,
        force=force,
    )


def _convert_model(  # noqa: PLR0913 - one parameter an option
    *,
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="A trained network: .keras, .h5, or a SavedModel.", show_default=False),
    ] = None,
    data: Data = [],  # noqa: B006 - as in _train_model
    more_data: MoreData = [],  # noqa: B006 - as in _train_model
    output: Annotated[Path, typer.Option(metavar="FILE", help="The .tflite file to write.")] = Path(
        "models/mask_classifier_int8.tflite"
    ),
    labels: Labels = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add the feature map that facemask-edge explain needs; costs no time.")
    ] = False,
    edgetpu: Annotated[
        bool, typer.Option("--edgetpu", help="Refuse what an Edge TPU does not run, and compile for it.")
    ] = False,
    together_with: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="With --edgetpu: another int8 model that shares the Edge TPU; repeatable."),
    ] = [],  # noqa: B006 - as in _train_model
    least_agreement: Annotated[
        float,
        typer.Option(metavar="SHARE", min=0, max=1, help="Of held-out faces that int8 must judge like float."),
    ] = USUAL.least_agreement,
    largest_drop: Annotated[
        float,
        typer.Option(metavar="SHARE", min=0, max=1, help="By which int8 may judge fewer faces rightly than float."),
    ] = USUAL.largest_drop,
    force: Force = False,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Only explain this .tflite file, and where it would run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: print one JSON object.")] = False,
) -> None:
    """Quantize a trained mask classifier to int8, and prove that it judges as before.

    Or explain any .tflite file: convert-model --check FILE.
    """
    limits = Limits(least_agreement, largest_drop)
    if check:
        from converter.check_model import check_model  # noqa: PLC0415 - as in _train_model

        if model or data or labels or explain or edgetpu or together_with or force or limits != USUAL:
            raise typer.BadParameter("it explains one file, and converts none", param_hint="--check")
        check_model(check, as_json=as_json)
        return
    if as_json:
        raise typer.BadParameter("it belongs to --check", param_hint="--json")
    if model is None:
        raise typer.BadParameter("name a trained network: .keras, .h5 or a SavedModel folder", param_hint="MODEL")
    if not data:
        raise typer.BadParameter("name the folders that calibrate and evaluate", param_hint="--data")
    if together_with and not edgetpu:
        raise typer.BadParameter("it belongs to --edgetpu", param_hint="--together-with")
    order = _order(labels)
    from converter.convert_model import convert_model  # noqa: PLC0415 - as in _train_model

    convert_model(
        model=model,
        data=[*data, *more_data],
        output=output,
        labels=order,
        explain=explain,
        edgetpu=edgetpu,
        together_with=together_with,
        limits=limits,
        force=force,
    )


def _evaluate_model(  # noqa: PLR0913 - one parameter an option
    *,
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A .tflite with its manifest, or a trained network: .keras, .h5, or a SavedModel."
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            "--data", metavar="DIR", help="Folder with with_mask/ and without_mask/ or with boxes.jsonl, or that file."
        ),
    ],
    more_data: MoreData = [],  # noqa: B006 - as in _train_model
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Face detector, by packaged name or path: judges boxed scenes as frames too."
        ),
    ] = None,
    labels: Labels = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write index.html there.")] = None,
    audit: Annotated[bool, typer.Option(help="List the pictures whose label is likely wrong.")] = False,
    all_pictures: Annotated[
        bool, typer.Option("--all-pictures", help="Also judge pictures that the model was trained with.")
    ] = False,
) -> None:
    """Measure a mask classifier with the device's own code, on pictures that it was not trained with."""
    from converter.evaluate_model import evaluate_model  # noqa: PLC0415 - as in _train_model

    evaluate_model(
        model=model,
        data=[*data, *more_data],
        detector=detector,
        labels=_order(labels),
        json_file=json_file,
        report=report,
        audit=audit,
        all_pictures=all_pictures,
    )


def _order(labels: str | None) -> list[str] | None:
    order = None if labels is None else [label.strip() for label in labels.split(",")]
    if order and sorted(order) != [Label.MASK, Label.NO_MASK]:
        raise typer.BadParameter("give mask,no_mask or no_mask,mask", param_hint="--labels")
    return order


def _run(name: str, command: Callable[..., None]) -> NoReturn:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name=name)(command)
    try:
        app(prog_name=name)
    except FacemaskError as error:
        typer.echo(f"{name}: {error}", err=True)
        sys.exit(error.exit_code)
    except SystemExit as end:
        # Typer ends with 2 for wrong usage; no command here ends with 2 for anything else.
        sys.exit(EXIT_USAGE if end.code == 2 else end.code)  # noqa: PLR2004
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last place that can turn a fault into a documented exit code
        traceback.print_exception(error)
        typer.echo(f"{name}: this is a fault of the program; please report it with the lines above", err=True)
        sys.exit(EXIT_FAULT)
    sys.exit(0)
