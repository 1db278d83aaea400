"""Writes tests/vectors/torch_ops/cases.txt and cases.bin: forward values and gradients of operators, as PyTorch computes them.

    python3 tests/vectors/torch_ops.py

float64 on inputs that are exact in float32, results rounded to float32. The format is that of the runner, tests/cases_file.c.
`gy` is the incoming gradient, gX the gradient of X. Made with PyTorch 2.12.1; a run gives the same inputs again.
"""
import pathlib
import torch
import torch.nn.functional as F

torch.manual_seed(1)
folder = pathlib.Path(__file__).parent / "torch_ops"
lines, blob = [], bytearray()


def real(*shape, low=-1.0, high=1.0):
    """Uniform numbers that a float32 holds."""
    return (low + (high - low) * torch.rand(shape, dtype=torch.float64)).float().double()


def tensor(direction, name, t):
    integral = t.dtype == torch.int64
    data = t.detach().contiguous()
    raw = (data if integral else data.float()).numpy().tobytes()
    blob.extend(b"\0" * (-len(blob) % 64))
    shape = ",".join(map(str, t.shape)) or "-"
    lines.append(f"{direction} {name} {'i64' if integral else 'f32'} {t.dim()} {shape} {len(blob)} {len(raw)}")
    blob.extend(raw)


def case(name, op, attrs, inputs, fn, result="y", gy=True):
    """fn(*inputs) -> result; every real input but the constants named with an underscore in front gets a gradient."""
    given = {k.lstrip("_"): v for k, v in inputs.items()}
    want = [k for k, v in inputs.items() if v.is_floating_point() and not k.startswith("_")]
    leaves = {k.lstrip("_"): v.clone().requires_grad_(k in want) for k, v in inputs.items()}
    y = fn(*leaves.values())
    lines.extend([f"case ops/{name}", f"op {op} torch {torch.__version__.split('+')[0]}", f"attr {attrs or '-'}"])
    for k, v in given.items():
        tensor("in", k, v)
    g = real(*y.shape)
    if gy:
        tensor("in", "gy", g)
    y.backward(g if gy else torch.ones_like(y))
    tensor("out", result, y)
    for k in want:
        tensor("out", "g" + k, leaves[k].grad)
    lines.append("end")


def conv(name, n, c, h, w, o, kernel, stride, padding, dilation, groups, bias=False):
    inputs = {"x": real(n, c, h, w), "w": real(o, c // groups, *kernel)}
    if bias:
        inputs["b"] = real(o)
    case(f"conv2d_{name}", "conv2d", f"stride={stride} padding={padding} dilation={dilation} groups={groups}", inputs,
         lambda x, w, b=None: F.conv2d(x, w, b, stride, padding, dilation, groups))


conv("dilated", 2, 5, 8, 7, 7, (3, 3), 1, 2, 2, 1, bias=True)
conv("dilated_stride", 1, 17, 8, 7, 18, (3, 3), 2, 2, 2, 1)
conv("dilated_k5", 1, 3, 11, 10, 20, (5, 5), 2, 4, 2, 1)
conv("dilated_rows", 2, 6, 8, 5, 9, (3, 1), 1, 3, 3, 3)
conv("depthwise_dilated", 2, 18, 6, 7, 18, (3, 3), 1, 2, 2, 18)
conv("depthwise_dilated_k5_stride", 1, 24, 9, 8, 24, (5, 5), 2, 4, 2, 24)
conv("depthwise_dilated_3", 2, 7, 8, 7, 7, (3, 3), 1, 3, 3, 7, bias=True)
conv("depthwise_k7_dilated", 1, 20, 7, 8, 20, (7, 7), 1, 6, 2, 20)

corners = torch.tensor([[-3.5, -3.0, -1.5, 0.0], [1.0, 3.0, 6.0, 6.5]], dtype=torch.float64)
signed, positive = real(1, 17, 3, 3, low=-5, high=8), real(1, 17, 3, 3, low=0.25, high=4)
for op, fn, attrs, x in [
    ("leaky_relu", F.leaky_relu, "", signed),
    ("leaky_relu", lambda x: F.leaky_relu(x, 0.25), "negative_slope=0.25", corners),
    ("elu", F.elu, "", signed),
    ("elu", lambda x: F.elu(x, 0.75), "alpha=0.75", corners),
    ("selu", F.selu, "", signed),
    ("softplus", F.softplus, "", signed),
    ("exp", torch.exp, "", signed),
    ("abs", torch.abs, "", signed),
    ("abs", torch.abs, "", corners),
    ("log", torch.log, "", positive),
    ("sqrt", torch.sqrt, "", positive),
    ("reciprocal", torch.reciprocal, "", positive),
    ("pow", lambda x: torch.pow(x, 2.5), "exponent=2.5", positive),
    ("relu", F.relu, "", corners),
    ("relu6", F.relu6, "", corners),
    ("hardtanh", lambda x: F.hardtanh(x, -3, 6), "min_val=-3 max_val=6", corners),
    ("hardsigmoid", F.hardsigmoid, "", corners),
    ("hardswish", F.hardswish, "", corners),
    ("hardswish", F.hardswish, "", signed),
    ("silu", F.silu, "", signed),
    ("sigmoid", torch.sigmoid, "", signed),
    ("tanh", torch.tanh, "", signed),
]:
    case(f"{op}{'_corners' if x is corners else ''}", op, attrs, {"x": x}, fn)

for op, fn in [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", torch.div)]:
    case(f"{op}_broadcast", op, "", {"a": real(2, 17, 3, 4), "b": real(17, 1, 4, low=0.5, high=2)}, fn)
    case(op, op, "", {"a": real(3, 5, 4, 2), "b": real(3, 5, 4, 2, low=-2, high=-0.5)}, fn)

for op, fn in [("sum", torch.sum), ("mean", torch.mean)]:
    case(f"{op}_planes", op, "dim=2,3", {"x": real(2, 17, 3, 4)}, lambda x, fn=fn: fn(x, (2, 3)))
    case(f"{op}_channels", op, "dim=1 keepdim=True", {"x": real(2, 17, 3, 4)}, lambda x, fn=fn: fn(x, 1, keepdim=True))
    case(f"{op}_all", op, "", {"x": real(2, 7, 5, 4)}, lambda x, fn=fn: fn(x))

for mode in ["constant", "reflect", "replicate", "circular"]:
    value = " value=-1.5" if mode == "constant" else ""
    case(f"pad_{mode}", "pad", f"pad=3,1,2,0 mode={mode}{value}", {"x": real(1, 17, 4, 5)},
         lambda x, mode=mode: F.pad(x, (3, 1, 2, 0), mode, **({"value": -1.5} if mode == "constant" else {})))

for groups, channels in [(3, 21), (4, 20), (2, 34)]:
    case(f"channel_shuffle_{channels}_{groups}", "channel_shuffle", f"groups={groups}", {"x": real(2, channels, 2, 3)},
         lambda x, groups=groups: x.view(2, groups, -1, 2, 3).transpose(1, 2).reshape(x.shape))

case("log_softmax", "log_softmax", "dim=1", {"x": real(2, 17, 2, 3, low=-8, high=8)}, lambda x: F.log_softmax(x, 1))
case("log_softmax_last", "log_softmax", "dim=-1", {"x": real(3, 4, 9, low=-90, high=90)}, lambda x: F.log_softmax(x, -1))

x, t = real(6, 10, low=-3, high=3), real(6, 10, low=-3, high=3)
t[0] = x[0]  # no difference at all
p, q = real(6, 10, low=0.01, high=0.99), real(6, 10, low=0, high=1)
p[0, :4], q[0, :4] = torch.tensor([0.0, 1.0, 0.0, 1.0]).double(), torch.tensor([0.0, 1.0, 1.0, 0.0]).double()
far = x.clone()
far[0, :4] = torch.tensor([120.0, -120.0, 0.0, 30.0]).double()
plane = real(2, 17, 2, 3)
for name, op, fn, attrs, a, b in [
    ("mse", "mse_loss", F.mse_loss, "", x, t),
    ("mse_planes", "mse_loss", F.mse_loss, "", plane, real(2, 17, 2, 3)),
    ("l1", "l1_loss", F.l1_loss, "", x, t),
    ("smooth_l1", "smooth_l1_loss", F.smooth_l1_loss, "", x, t),
    ("smooth_l1_beta", "smooth_l1_loss", lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0.5, **k), "beta=0.5", x, t),
    ("bce", "binary_cross_entropy", F.binary_cross_entropy, "", p, q),
    ("bce_logits", "binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, "", far, q),
]:
    for reduction in ["mean", "sum"]:
        if name == "bce" and reduction == "sum":
            continue
        case(f"{name}_{reduction}", op, f"{attrs} reduction={reduction}".strip(), {"x": a, "_target": b},
             lambda x, target, fn=fn, r=reduction: fn(x, target, reduction=r), result="loss", gy=False)

label = torch.tensor([3, 0, 9, 3, 7, 1])
rows, weight = F.log_softmax(x, 1), real(10, low=0.5, high=2)
for reduction in ["mean", "sum", "none"]:
    gy = reduction == "none"
    case(f"nll_{reduction}", "nll_loss", f"reduction={reduction}", {"x": rows.float().double(), "target": label},
         lambda x, target, r=reduction: F.nll_loss(x, target, reduction=r), result="loss", gy=gy)
    case(f"nll_weights_{reduction}", "nll_loss", f"reduction={reduction} ignore_index=3",
         {"x": rows.float().double(), "target": label, "_weight": weight},
         lambda x, target, weight, r=reduction: F.nll_loss(x, target, weight, ignore_index=3, reduction=r), result="loss", gy=gy)
    case(f"cross_entropy_{reduction}", "cross_entropy", f"reduction={reduction} label_smoothing=0.1", {"x": x, "target": label},
         lambda x, target, r=reduction: F.cross_entropy(x, target, reduction=r, label_smoothing=0.1), result="loss", gy=gy)


def mbconv(name, n, c, size, expand, o, k, stride, act, train, reach):
    hidden = c * expand
    inputs = {"x": real(n, c, size, size, low=-reach, high=reach)}
    for digit, shape in [("1", (hidden, c, 1, 1)), ("2", (hidden, 1, k, k)), ("3", (o, hidden, 1, 1))]:
        inputs["w" + digit] = real(*shape)
        inputs["g" + digit], inputs["b" + digit] = real(shape[0], low=1, high=4), real(shape[0])
        inputs["_rm" + digit], inputs["_rv" + digit] = real(shape[0]), real(shape[0], low=0.5, high=2)

    def bn(x, i, d):
        return F.batch_norm(x, i["rm" + d].clone(), i["rv" + d].clone(), i["g" + d], i["b" + d], train, 0.1, 1e-5)

    def fn(**i):
        y = act(bn(F.conv2d(i["x"], i["w1"]), i, "1"))
        y = act(bn(F.conv2d(y, i["w2"], None, stride, k // 2, 1, hidden), i, "2"))
        y = bn(F.conv2d(y, i["w3"]), i, "3")
        return y + i["x"] if stride == 1 and o == c else y

    case(name, "mbconv", f"k={k} expand={expand} stride={stride} act=hardswish bn={'train' if train else 'eval'} eps=1e-05 momentum=0.1",
         inputs, lambda *v: fn(**dict(zip([k.lstrip("_") for k in inputs], v))))


mbconv("mbconv_hardswish", 2, 6, 7, 3, 6, 3, 1, F.hardswish, True, 3)
mbconv("mbconv_hardswish_stride", 2, 7, 9, 3, 10, 5, 2, F.hardswish, True, 3)
mbconv("mbconv_hardswish_eval", 1, 6, 6, 4, 6, 5, 1, F.hardswish, False, 1)

folder.mkdir(exist_ok=True)
(folder / "cases.txt").write_text("\n".join(lines) + "\n")
(folder / "cases.bin").write_bytes(bytes(blob))
print(f"{sum(1 for l in lines if l.startswith('case'))} cases, {len(blob)} bytes")
