# The peer of footprint.ts: a plain script that predicts with ONNX Runtime at every reading. python predict.py model.onnx readings
import json, math, sys, time
import numpy as np
import onnxruntime as ort

options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
window, day = [], 86_400_000
times = []
for i in range(int(sys.argv[2])):
    stamp, value = 1_767_225_600_000 + i * 1000, 20 + (i % 7) * 0.01
    started = time.perf_counter()
    window.append((stamp, value))
    if len(window) > 24:
        window.pop(0)
    if len(window) < 24:
        continue
    rows = [
        ((v - 20.0), math.sin(2 * math.pi * (t % day) / day), math.cos(2 * math.pi * (t % day) / day))
        for t, v in window
    ]
    output = session.run(None, {"window": np.array([rows], dtype=np.float32)})[0]
    forecast = [20.0 + float(x) for x in output[0]]
    times.append((time.perf_counter() - started) * 1000)
times.sort()
status = open("/proc/self/status").read()
rss = int(status.split("VmRSS:")[1].split()[0]) / 1024
print(json.dumps({"residentMb": rss, "p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)]}))
