"""Networks of torchvision before and after volute.torch.optimize: differences and times.

    PYTHONPATH=build/release/python taskset -c 1 python3 tests/python/networks.py [NAME...]

Weights and statistics are made up. Times are of one image on one thread, PyTorch and Volute in turns,
the least of several runs; both memory formats.
"""

import sys
import time

import torch
import torchvision

import volute.torch

NAMES = ["resnet18", "resnet50", "mobilenet_v2", "vgg11", "densenet121", "efficientnet_b0",
         "squeezenet1_0", "convnext_tiny"]


def milliseconds(work):
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    volute.set_default_session(volute.Session(threads=1))
    for name in sys.argv[1:] or NAMES:
        net = getattr(torchvision.models, name)(weights=None).eval()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        x = torch.randn(1, 3, 224, 224)
        fast = volute.torch.optimize(net)
        told = fast._volute_report
        with torch.no_grad():
            first = milliseconds(lambda: fast(x))
            wanted = net(x)
            difference = ((fast(x) - wanted).abs().max() / wanted.abs().max()).item()
            row = f"{name:16} first call {first:5.0f} ms, differs by {difference:.1e}"
            for layout in (torch.contiguous_format, torch.channels_last):
                image, module = x.to(memory_format=layout), net.to(memory_format=layout)
                fast(image)
                pairs = [(milliseconds(lambda: module(image)), milliseconds(lambda: fast(image)))
                         for _ in range(5)]
                row += f"; {min(p for p, _ in pairs):.1f} -> {min(v for _, v in pairs):.1f} ms"
        print(f"{row}; {len(told.taken)} on Volute, {len(told.left)} left", flush=True)


if __name__ == "__main__":
    main()
