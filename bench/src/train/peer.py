"""The PyTorch side of the training benchmark: `peer.py THREADS` reads lines "MODEL|LAYOUT|STEPS" and answers "CPU WALL", milliseconds a step each. Its first line is the version."""
import sys
import time
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
torch.set_flush_denormal(True)
torch.manual_seed(0)


class Recurrent(nn.Module):
    def __init__(self, kind, hidden):
        super().__init__()
        self.rnn = (nn.GRU if kind == "gru" else nn.LSTM)(3, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 3)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1]) + x[:, -1:, 0]


def picture(side):
    return nn.Sequential(nn.Conv2d(3, 128, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(128, 128, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
                         nn.Conv2d(128, 384, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(384 * (side // 8) ** 2, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 5))


def depthwise():
    layers, width = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for filters, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        layers += [nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, filters, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
        width = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 5))


def dense_ae():
    return nn.Sequential(nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 1024))


def conv_ae():
    return nn.Sequential(nn.Conv1d(1, 16, 7, padding=3), nn.MaxPool1d(4), nn.ReLU(), nn.Conv1d(16, 32, 5, padding=2), nn.MaxPool1d(4), nn.ReLU(), nn.Conv1d(32, 64, 3, padding=1), nn.MaxPool1d(4), nn.ReLU(),
                         nn.Upsample(scale_factor=4), nn.Conv1d(64, 32, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=4), nn.Conv1d(32, 16, 5, padding=2), nn.ReLU(), nn.Upsample(scale_factor=4), nn.Conv1d(16, 1, 7, padding=3))


ROWS = 256
makers = {
    "gru 24x32": (lambda: Recurrent("gru", 32), (24, 3), "window", 64), "gru 48x64": (lambda: Recurrent("gru", 64), (48, 3), "window", 64),
    "lstm 24x32": (lambda: Recurrent("lstm", 32), (24, 3), "window", 64), "lstm 48x64": (lambda: Recurrent("lstm", 64), (48, 3), "window", 64),
    "dense autoencoder": (dense_ae, (1024,), "self", 64), "conv autoencoder": (conv_ae, (1, 1024), "self", 64),
    "picture 64": (lambda: picture(64), (3, 64, 64), "class", 16), "depthwise 96": (depthwise, (3, 96, 96), "class", 16),
}
ready = {}


def stepper(name, layout):
    make, dims, target, batch = makers[name]
    net = make().train()
    x = torch.randn(ROWS, *dims)
    if layout == "channels_last":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    y = {"window": torch.randn(ROWS, 3), "self": x, "class": torch.randint(0, 5, (ROWS,))}[target]
    loss = F.cross_entropy if target == "class" else F.mse_loss
    opt = torch.optim.Adam(net.parameters(), lr=1e-3, foreach=True)
    order = torch.randperm(ROWS)

    def step(i):
        rows = order[torch.arange(i * batch, (i + 1) * batch) % ROWS]
        opt.zero_grad(set_to_none=True)
        loss(net(x[rows]), y[rows]).backward()
        opt.step()

    return step


print(torch.__version__, flush=True)
for line in sys.stdin:
    name, layout, steps = line.rstrip("\n").split("|")
    if (name, layout) not in ready:
        ready[name, layout] = stepper(name, layout)
        for i in range(3):
            ready[name, layout](i)
    cpu, wall = time.process_time(), time.perf_counter()
    for i in range(int(steps)):
        ready[name, layout](i)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(cpu / int(steps) * 1000, wall / int(steps) * 1000, flush=True)
