"""Programs, sessions and kernels: what ``volute`` itself exports.

The C side (``_volute.c``) holds the handles and makes the calls; here is what happens once.
"""

from __future__ import annotations

import html
import math
import os
import re
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar, Union

import numpy

from . import _volute

T = TypeVar("T")
Options = List[Tuple[str, str]]

#: Element types, by their numbers in the C interface.
ELEMENTS = ("f32", "f64", "f16", "bf16", "i8", "u8", "i32", "i64")

#: What can be seen of a program on its way to machine code, in order: its stages, and what is said of
#: them all, the report in words and the page of ``volute inspect --html``.
STAGES = ("program", "nest", "schedule", "loops", "llvm", "asm", "report", "html")


class Diagnostic(NamedTuple):
    """One of the things that are wrong with what was refused."""

    line: int  #: in the program's text, from 1; 0 where there is no place
    column: int
    subject: str  #: an operator, "%x", an option; may be ""
    message: str  #: the rule with its numbers
    hint: str  #: a way out; may be ""


class Error(RuntimeError):
    """A program, an option or an array is refused. ``str`` is every reason, a line each.

    >>> import volute
    >>> try:
    ...     volute.compile("program @p(%x: f32[n=1, c=3, w=8]) {\\n  %y = relu %z\\n  return %y\\n}")
    ... except volute.Error as error:
    ...     print(error)
    ...     print(error.rendered)
    2:13: %z: is not defined (what is defined here is %x)
    program:2:13: error: %z: is not defined (what is defined here is %x)
        %y = relu %z
                  ^
    <BLANKLINE>
    """

    def __init__(
        self,
        message: str,
        rendered: str = "",
        diagnostics: Sequence[Tuple[int, int, str, str, str]] = (),
        status: int = 2,
    ) -> None:
        super().__init__(message)
        #: The same for people: with the line of the program's text and a caret under the place.
        self.rendered = rendered or f"error: {message}\n"
        #: Each reason by itself.
        self.diagnostics = [Diagnostic(*d) for d in diagnostics]
        #: The number of the C interface's status.
        self.status = status


_volute._set_error(Error)
_volute._set_numpy(
    numpy.empty,
    tuple(
        numpy.dtype(name)
        # NumPy has no bfloat16: its 16-bit patterns travel as uint16, as in .npy files.
        for name in ("float32", "float64", "float16", "uint16", "int8", "uint8", "int32", "int64")
    ),
)


def _meet_torch() -> None:
    """Lets tensors of torch in and out without a copy; called when the first one is met."""
    import torch

    types = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8,
             torch.int32, torch.int64)

    def refuse_gradients() -> None:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "Volute computes no gradients: call it under torch.no_grad(), "
                "or give it tensor.detach()"
            )

    def empty(shape: Tuple[int, ...], element: int) -> Any:
        return torch.empty(shape, dtype=types[element])

    _volute._set_torch(torch.Tensor, types, refuse_gradients, empty)


_volute._set_meet_torch(_meet_torch)


def _interruptible(work: Callable[[], T]) -> T:
    """Does work that may take seconds, so that Ctrl-C is heard at once.

    Signals reach Python on the main thread alone, and only between its instructions: there the work
    is done on another thread, which after an interrupt goes on to its end by itself, within the
    session's budget. (What is compiled to be called is given up: ``compile`` in ``_volute.c``.)
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done = threading.Event()
    results: List[T] = []
    failures: List[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as failure:
            failures.append(failure)
        finally:
            done.set()

    threading.Thread(target=run, name="volute compile", daemon=True).start()
    while not done.wait(0.1):  # a signal just before it waits would not end one wait
        pass
    if failures:
        raise failures[0]
    return results[0]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _options(given: Mapping[str, Any]) -> Options:
    return [(name, _text(value)) for name, value in given.items() if value is not None]


class Session(_volute.Session):
    """Where kernels are compiled and kept: for one machine, on one set of threads.

    Keyword arguments are the environment's options, ``VOLUTE_THREADS`` as ``threads`` and so on
    (``volute --help`` lists them); what is left out is as the environment says. A session may be
    used from any number of threads at once.

    >>> import volute
    >>> session = volute.Session(threads=2)
    >>> volute.Session(threads=0)
    Traceback (most recent call last):
      ...
    volute.Error: threads: '0' is not a number from 1 to 1024, or all
    """

    def __new__(cls, **options: Any) -> "Session":
        made: Session = super().__new__(cls, _options(options))  # type: ignore[assignment]
        return made

    def __init__(self, **options: Any) -> None:
        self._given = options

    def __repr__(self) -> str:
        return f"volute.Session({', '.join(f'{k}={v!r}' for k, v in self._given.items())})"


_default_lock = threading.Lock()
_default: Optional[Session] = None


def default_session() -> Session:
    """The session that everything uses that is given none; made as the environment says."""
    global _default
    if _default is None:
        with _default_lock:
            if _default is None:
                _default = Session()
    return _default


def set_default_session(session: Session) -> None:
    """Has everything that is given no session use this one, as one with more threads.

    >>> import volute
    >>> volute.set_default_session(volute.Session(threads=1))
    """
    global _default
    from . import functional

    with _default_lock:
        _default = session
        functional._forget_kernels()


class Value:
    """A value of a program under construction: see :class:`Builder`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"%{self.name}"


def _attribute(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_pair(v) for v in value) + "]"
    return str(value) if isinstance(value, (str, int)) else repr(float(value))


def _pair(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(_attribute(v) for v in value) + ")"
    return _attribute(value)


class Builder:
    """Builds a program's text from Python: every operator of the language is a method.

    Operands come first, attributes by name, and ``type`` writes the result's type where that is
    wanted. Operators with two results give two with ``results=2``.

    >>> import volute
    >>> b = volute.Builder("edges")
    >>> x = b.input("x", "f32[n=1, c=1, h=8, w=8]")
    >>> w = b.input("w", "f32[o=4, i=1, h=3, w=3]")
    >>> b.output(b.relu(b.conv(x, w, stride=2, pad=[(0, 1), (0, 1)])), "y")
    >>> print(b.text())
    program @edges(%x: f32[n=1, c=1, h=8, w=8], %w: f32[o=4, i=1, h=3, w=3]) {
      %v0 = conv %x, %w {stride = 2, pad = [(0, 1), (0, 1)]}
      %y = relu %v0
      return %y
    }
    <BLANKLINE>
    """

    def __init__(self, name: str = "program") -> None:
        self._name = name
        self._inputs: List[str] = []
        self._statements: List[Tuple[List[Value], object]] = []  # results, and what prints as one
        self._outputs: List[Value] = []
        self._count = 0

    def input(self, name: str, type: str) -> Value:
        """An input: its name, and its type as the program text writes it."""
        self._inputs.append(f"%{name}: {type}")
        return Value(name)

    def constant(self, values: Any, type: str) -> Value:
        """A constant: numbers in the type's memory order, flat or in any shape."""
        # tolist() gives numbers of Python's own, which print as the language reads them.
        numbers = ", ".join(_attribute(v) for v in numpy.asarray(values).ravel().tolist())
        return self._add(f"const [{numbers}] : {type}", 1)[0]

    def output(self, value: Value, name: Optional[str] = None) -> None:
        """Returns a value from the program, under a name of its own where one is given."""
        made = [v for results, _ in self._statements for v in results]
        if name is not None and value in made:
            value.name = name
        self._outputs.append(value)

    def _add(self, statement: object, results: int) -> List[Value]:
        values = []
        for _ in range(results):
            values.append(Value(f"v{self._count}"))
            self._count += 1
        self._statements.append((values, statement))
        return values

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        if operator.startswith("_"):
            raise AttributeError(operator)

        def apply(*operands: Value, results: int = 1, type: str = "", **attributes: Any) -> Any:
            for operand in operands:
                if not isinstance(operand, Value):
                    raise TypeError(
                        f"{operator}: operands are values of the builder, not {operand!r}; "
                        "attributes are given by name"
                    )
            given = ", ".join(f"{k} = {_attribute(v)}" for k, v in attributes.items() if v is not None)
            behind = (" {" + given + "}" if given else "") + (f" : {type}" if type else "")
            values = self._add(_Statement(operator, operands, behind), results)
            return values[0] if results == 1 else tuple(values)

        return apply

    def text(self) -> str:
        """The program's text."""
        lines = [f"program @{self._name}({', '.join(self._inputs)}) {{"]
        for results, text in self._statements:
            lines.append(f"  {', '.join(map(repr, results))} = {text}")
        lines.append(f"  return {', '.join(map(repr, self._outputs))}")
        return "\n".join(lines) + "\n}\n"


class _Statement:
    """Prints the names that its operands have by then: an output gets another."""

    def __init__(self, operator: str, operands: Tuple[Value, ...], behind: str) -> None:
        self._operator, self._operands, self._behind = operator, operands, behind

    def __str__(self) -> str:
        operands = ", ".join(map(repr, self._operands))
        return self._operator + (f" {operands}" if operands else "") + self._behind


class Program(_volute.Program):
    """A program: operators and the exact shapes of what they are applied to.

    ``name`` is what errors call the text, ``folder`` where ``const file("w.npy")`` looks for files,
    ``entry`` picks one program of a text of several.

    >>> import volute
    >>> p = volute.Program("program @p(%x: f32[n=1,c=1,w=4]) { %y = relu %x  return %y }")
    >>> print(p.text)
    program @p(%x: f32[n=1, c=1, w=4]) {
      %y = relu %x
      return %y
    }
    <BLANKLINE>
    """

    def __new__(
        cls,
        text: str,
        name: Optional[str] = None,
        folder: Union[str, "os.PathLike[str]", None] = None,
        entry: Optional[str] = None,
    ) -> "Program":
        where = None if folder is None else os.fspath(folder)
        made: Program = super().__new__(cls, text, name, where, entry)  # type: ignore[assignment]
        return made

    @classmethod
    def read(cls, path: Union[str, "os.PathLike[str]"], entry: Optional[str] = None) -> "Program":
        """Reads a program's file."""
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return cls(text, os.fspath(path), os.path.dirname(os.fspath(path)) or ".", entry)

    def __repr__(self) -> str:
        return f"<volute.Program @{self.name}>"


_NOTEBOOK = """<div class="volute"><p><b>@{name}</b>: {inputs} &rarr; {outputs}</p>{folds}</div>"""
_FOLD = "<details{open}><summary>{title}</summary>{body}</details>"
# The page has styles and a script of its own, so it stands in a frame; one that may run its script, and
# do nothing to the notebook around it.
_FRAME = """<iframe sandbox="allow-scripts" style="width:100%;height:80vh;border:0" srcdoc="{page}"></iframe>"""


class Kernel(_volute.Kernel):
    """A program made callable: native code for its shapes. Any thread may call it, and it never
    changes, unless it is tiered (:func:`compile`).

    ``kernel(x, w)`` makes its outputs, as arrays of NumPy's or, where an input is torch's, of
    torch's; ``kernel(x, w, y)`` writes to those that are given. Arrays have exactly the shapes that
    the program says, in its order of axes, and may lie in NumPy, in torch, or in anything that has
    the buffer protocol or DLPack; nothing is copied. The GIL is released meanwhile.

    >>> import numpy, volute
    >>> kernel = volute.compile('''
    ...     program @p(%x: f32[n=1, c=1, w=4], %w: f32[o=1, i=1, w=2]) {
    ...       %y = conv %x, %w
    ...       return %y
    ...     }''')
    >>> x = numpy.arange(4, dtype=numpy.float32).reshape(1, 1, 4)
    >>> w = numpy.ones((1, 1, 2), numpy.float32)
    >>> kernel(x, w)
    array([[[1., 3., 5.]]], dtype=float32)
    >>> bound = kernel.bind(w=w)  # packed once
    >>> y = numpy.empty((1, 1, 3), numpy.float32)
    >>> bound(x, y) is y
    True
    """

    __slots__ = ("_session", "_program", "_given")
    _session: Session
    _program: Program
    _given: Options

    def bind(self, **weights: Any) -> "Kernel":
        """A kernel to which these inputs are constants: weights are packed here and not on each call.

        The arrays are copied, as far as calls need them. This kernel stays as it is.
        """
        if not weights:
            return self
        kernel: Kernel = self
        for name, value in weights.items():
            made = kernel._bind(name, value)
            made._session, made._program, made._given = self._session, self._program, self._given
            kernel = made
        return kernel

    def run(self, **arrays: Any) -> Any:
        """Calls it by name: every input that is not bound, and all outputs or none of them."""
        names = self.inputs + self.outputs
        for name in arrays:
            if name not in names:
                raise TypeError(f"{self.name} has no {name}; there are {', '.join(names)}")
        missing = [name for name in self.inputs if name not in arrays]
        if missing:
            raise TypeError(f"{self.name} wants {', '.join(missing)} too")
        outputs = [name for name in self.outputs if name in arrays]
        if outputs and len(outputs) != len(self.outputs):
            raise TypeError(f"{self.name} is given all of its outputs or none: {', '.join(self.outputs)}")
        return self(*(arrays[name] for name in self.inputs + outputs))

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until a tiered kernel has its good code, or for so many seconds; whether it has.

        Raises what its compile has failed for: then the kernel stays as it is. True of a kernel that
        is not tiered.
        """
        if timeout is not None and math.isnan(timeout):
            timeout = 0.0
        end = None if timeout is None else time.monotonic() + timeout
        while True:  # in between, Python looks for signals
            left = 0.05 if end is None else end - time.monotonic()
            if self._wait(min(left, 0.05)):
                return True
            if left <= 0:
                return False

    def inspect(self, stage: str = "report") -> str:
        """What became of the program at a stage: program, nest, schedule, loops, llvm, asm, report.

        ``html`` is all of them as one page that needs nothing else, to be written to a file.

        >>> import volute
        >>> kernel = volute.compile(
        ...     "program @p(%x: f32[n=1,c=1,w=64]) { %y = relu %x  return %y }", target="haswell")
        >>> "vmaxps" in kernel.inspect("asm")
        True
        """
        return _interruptible(lambda: _volute.inspect(self._session, self._program, self._given, stage))

    @property
    def report(self) -> str:
        """The numbers: work, memory, what was chosen and why."""
        return self.inspect("report")

    @property
    def program(self) -> Program:
        """What it was compiled from."""
        return self._program

    def __repr__(self) -> str:
        def typed(names: Sequence[str]) -> str:
            return ", ".join(f"{name}: {self.type(name)}" for name in names)

        return f"<volute.Kernel @{self.name}({typed(self.inputs)}) -> {typed(self.outputs)}>"

    def _repr_html_(self) -> str:
        def typed(names: Sequence[str]) -> str:
            return html.escape(", ".join(f"{name}: {self.type(name)}" for name in names))

        folds = ""
        try:
            for stage in ("program", "schedule", "report"):
                body = f"<pre>{html.escape(self.inspect(stage))}</pre>"
                folds += _FOLD.format(open=" open" if stage == "program" else "", title=stage, body=body)
            page = _FRAME.format(page=html.escape(self.inspect("html")))
            folds += _FOLD.format(open="", title="every stage, from the operator to the instruction", body=page)
        except Error as why:  # the good code of a tiered kernel, which has failed
            folds += _FOLD.format(open=" open", title="no code", body=f"<pre>{html.escape(str(why))}</pre>")
        return _NOTEBOOK.format(name=html.escape(self.name), inputs=typed(self.inputs),
                                outputs=typed(self.outputs), folds=folds)


def compile(
    program: Union[str, Program, Callable[[Builder], Any]],
    *,
    schedule: Optional[str] = None,
    target: Optional[str] = None,
    accuracy: Optional[float] = None,
    deterministic: Optional[bool] = None,
    flush_denormals: Optional[bool] = None,
    like: Optional[Mapping[str, Any]] = None,
    tiered: bool = False,
    session: Optional[Session] = None,
) -> Kernel:
    """Compiles a program, or finds the kernel that the session has compiled before.

    ``program`` is the text, a :class:`Program`, or a function that is given a :class:`Builder` and
    returns the program's outputs. ``schedule`` is auto, naive or directives, ``target`` native or a
    CPU of ``volute targets``; ``accuracy`` bounds the error of what may be chosen. ``like`` has
    arrays by the names of inputs and outputs: the kernel takes arrays of their strides, where it
    would take dense ones.

    A ``tiered`` kernel may be called a millisecond later: without code at first, slower by an order of
    magnitude, while another thread compiles, and by the good code from the call on for which that is
    ready. ``deterministic`` has both give the same bits; otherwise the last bits of a sum may differ.
    What is bound from it is tiered as well.

    >>> import numpy, volute
    >>> def pooled(b):
    ...     x = b.input("x", "f32[n=1, c=1, w=6]")
    ...     return b.max_pool(b.relu(x), kernel=2)
    >>> volute.compile(pooled)(numpy.array([[[1, -2, -3, -4, 5, 6]]], numpy.float32))
    array([[[1., 0., 6.]]], dtype=float32)
    >>> kernel = volute.compile(pooled, tiered=True)
    >>> kernel(numpy.array([[[1, -2, -3, -4, 5, 6]]], numpy.float32))
    array([[[1., 0., 6.]]], dtype=float32)
    >>> kernel.wait()
    True
    >>> kernel.final
    True
    """
    if session is None:
        session = default_session()
    if callable(program) and not isinstance(program, (str, Program)):
        builder = Builder(re.sub(r"\W", "_", getattr(program, "__name__", "program")))
        outputs = program(builder)
        if outputs is not None:
            if isinstance(outputs, Value):
                outputs = (outputs,)
            for i, value in enumerate(outputs):
                builder.output(value, "y" if len(outputs) == 1 else f"y{i}")
        program = builder.text()
    made = program if isinstance(program, Program) else Program(program)
    options = _options({"schedule": schedule, "target": target, "accuracy": accuracy,
                        "deterministic": deterministic, "flush_denormals": flush_denormals})
    for name, array in (like or {}).items():
        _, shape, strides = _volute.describe(array)
        options.append((f"strides.{name}", ", ".join(map(str, strides))))
    return _compile(session, made, options, tiered)


def _compile(session: Session, program: Program, options: Options, tiered: bool = False) -> Kernel:
    kernel = Kernel(session, program, options, tiered)
    kernel._session, kernel._program, kernel._given = session, program, options
    return kernel


def version() -> str:
    """Version of the library: "0.1.0"."""
    return _volute.version
