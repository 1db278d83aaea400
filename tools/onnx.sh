#!/bin/sh
# Install onnx and onnxruntime, which tests/test_onnx_* check files with, into build/deps/onnx (60 MB to fetch). What is
# there already is kept; without them those tests only look at files with the library's own check.
exec "$(dirname "$0")/venv.sh" onnx 'onnx, onnxruntime' onnx==1.23.2 onnxruntime==1.32.0
