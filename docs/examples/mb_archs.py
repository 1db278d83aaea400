#!/usr/bin/env python3
"""A network of the list format for MobileNet-style networks as a model of type Sequential.

    python3 mb_archs.py FILE              names of the networks in FILE
    python3 mb_archs.py FILE NAME > net.yaml
    modnas describe -c net.yaml

A network is a block of lines:

    net NAME input=3x224x224 act=relu6
    stem conv k3 s2 c32                       convolution, batch norm, activation
    mb k3 s2 hidden96 c24 se0 expand1         inverted residual; se: hidden units of squeeze-excite
    identity c24
    head conv 1280                            1x1 convolution, batch norm, activation
    head gap 0                                mean over the image
    head fc 1000                              fully connected, an activation between two of them
    end
"""
import re
import sys

ACTIVATIONS = {"relu": "ReLU", "relu6": "ReLU6", "hswish": "Hardswish"}


def read_nets(path):
    nets, lines = {}, None
    for line in open(path, encoding="utf-8"):
        words = line.split()
        if words[:1] == ["net"]:
            lines = nets[words[1]] = [words[2:]]
        elif words[:1] == ["end"]:
            lines = None
        elif words and lines is not None:
            lines.append(words)
    return nets


def numbers(words):
    """k3 s2 hidden96 -> {k: 3, s: 2, hidden: 96}"""
    return {name: int(n) for name, n in re.findall(r"([a-z]+)(\d+)", " ".join(words))}


def layer_of(words, act):
    n = numbers(words[1:])
    if words[0] == "stem":
        return f"{{type: ConvBNAct, args: {{out_channels: {n['c']}, kernel_size: {n['k']}, stride: {n['s']}, activation: {act}}}}}"
    if words[0] == "mb":
        more = f", squeeze_excite: {n['se']}" if n["se"] else ""
        expand = "true" if n["expand"] else "false"
        return (f"{{type: InvertedResidual, args: {{hidden: {n['hidden']}, out_channels: {n['c']}, kernel_size: {n['k']}, "
                f"stride: {n['s']}, expand: {expand}, activation: {act}{more}}}}}")
    if words[0] == "identity":
        return "Identity"
    if words[:2] == ["head", "conv"]:
        return f"{{type: ConvBNAct, args: {{out_channels: {words[2]}, kernel_size: 1, activation: {act}}}}}"
    if words[:2] == ["head", "gap"]:
        return "GlobalAvgPool"
    if words[:2] == ["head", "fc"]:
        return f"{{type: Linear, args: {{out_features: {words[2]}}}}}"
    return None


def to_yaml(name, lines):
    options = dict(word.split("=", 1) for word in lines[0])
    act = ACTIVATIONS[re.match(r"[a-z0-9]+", options["act"]).group()]
    yaml = [f"# {name}", "model:", "  type: Sequential", "  args:",
            f"    input: [{options['input'].replace('x', ', ')}]", "    layers:"]
    before = None
    for words in lines[1:]:
        layer = layer_of(words, act)
        if layer is None:
            continue
        if before == words[:2] == ["head", "fc"]:
            yaml.append(f"      - {act}")
        yaml.append(f"      - {layer}")
        before = words[:2]
    return "\n".join(yaml)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    nets = read_nets(sys.argv[1])
    if len(sys.argv) == 2:
        print("\n".join(nets))
    elif sys.argv[2] in nets:
        print(to_yaml(sys.argv[2], nets[sys.argv[2]]))
    else:
        sys.exit(f"{sys.argv[1]} has no network {sys.argv[2]}; it has: {' '.join(nets)}")


if __name__ == "__main__":
    main()
