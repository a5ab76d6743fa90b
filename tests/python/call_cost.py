"""What a call costs beside the kernel's own: through the C interface, bound, and by function.

    PYTHONPATH=build/release/python python3 tests/python/call_cost.py [build/release/lib/libvolute.so]

A kernel that does next to nothing, many times over; the least of several runs, in nanoseconds. The
first line is the C interface called by ctypes with everything prepared beforehand, which is to be
taken off: what C itself takes is in it.
"""

import ctypes
import sys
import timeit

import numpy

import volute


def least(work, number=200, repeat=1000):
    return min(timeit.repeat(work, number=number, repeat=repeat)) / number * 1e9


def main():
    text = "program @r(%x: f32[n=1, c=1, h=1, w=4]) {\n  %y = relu %x\n  return %y\n}"
    kernel = volute.compile(text)
    x, y = numpy.ones((1, 1, 1, 4), numpy.float32), numpy.empty((1, 1, 1, 4), numpy.float32)
    rows = [("an empty function of Python's", least(lambda: None))]
    rows += [
        ("kernel(x, y)", least(lambda: kernel(x, y))),
        ("kernel(x), which makes y", least(lambda: kernel(x))),
        ("numpy.maximum(x, 0, out=y)", least(lambda: numpy.maximum(x, 0, out=y))),
        ("volute.relu(x)", least(lambda: volute.relu(x))),
    ]
    image = numpy.ones((1, 1, 3, 3), numpy.float32)
    w, b = numpy.ones((1, 1, 3, 3), numpy.float32), numpy.ones(1, numpy.float32)
    conv = volute.compile("program @c(%x: f32[n=1, c=1, h=3, w=3], %w: f32[o=1, i=1, h=3, w=3], "
                          "%b: f32[o=1]) {\n  %y = conv %x, %w, %b {pad = 1}\n  return %y\n}")
    out = numpy.empty((1, 1, 3, 3), numpy.float32)
    bound = conv.bind(w=w, b=b)
    rows += [
        ("bound conv(x, y)", least(lambda: bound(image, out))),
        ("conv(x, w, b, y)", least(lambda: conv(image, w, b, out))),
        ("volute.conv2d(x, w, b, padding=1)", least(lambda: volute.conv2d(image, w, b, padding=1))),
    ]
    try:
        import torch

        tx, ty = torch.from_numpy(x), torch.from_numpy(y)
        ti, tw, tb = (torch.from_numpy(a) for a in (image, w, b))
        conv2d = torch.nn.functional.conv2d
        with torch.no_grad():
            rows += [
                ("kernel(x, y) of torch tensors", least(lambda: kernel(tx, ty))),
                ("volute.conv2d of torch tensors", least(lambda: volute.conv2d(ti, tw, tb, padding=1))),
                ("torch's own conv2d", least(lambda: conv2d(ti, tw, tb, padding=1))),
            ]
    except ImportError:
        pass
    if len(sys.argv) > 1:
        rows.insert(1, ("the kernel, called by C in a loop", in_c(sys.argv[1], text)))
    for name, nanoseconds in rows:
        print(f"{name:40} {nanoseconds:8.0f} ns")


def in_c(library, text):
    """The kernel called many times by the C interface, less what a loop of ctypes' calls costs."""
    lib = ctypes.CDLL(library)

    class Tensor(ctypes.Structure):
        _fields_ = [("data", ctypes.c_void_p), ("extents", ctypes.c_void_p),
                    ("strides", ctypes.c_void_p), ("rank", ctypes.c_int32),
                    ("element", ctypes.c_uint8), ("writable", ctypes.c_bool)]

    session, program, kernel = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    lib.volute_session_create(None, ctypes.byref(session), None)
    lib.volute_program_parse(text.encode(), None, None, ctypes.byref(program), None)
    lib.volute_compile(session, program, None, ctypes.byref(kernel), None)
    arguments = (Tensor * 2)()
    x, y = numpy.ones(4, numpy.float32), numpy.empty(4, numpy.float32)
    for i, array in enumerate((x, y)):
        lib.volute_kernel_argument(kernel, ctypes.c_size_t(i), None, ctypes.byref(arguments[i]))
        arguments[i].data = array.ctypes.data
    call, two = lib.volute_kernel_call, ctypes.c_size_t(2)
    version = lib.volute_error_status  # as good as nothing
    return least(lambda: call(kernel, arguments, two, None)) - least(
        lambda: version(None, arguments, two, None))


if __name__ == "__main__":
    main()
