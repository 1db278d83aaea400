#!/bin/sh
# Install the safetensors package, which tests/test_foreign reads files of weights with, into build/deps/safetensors (25 MB
# to fetch). What is there already is kept; without it that one test is skipped.
exec "$(dirname "$0")/venv.sh" safetensors 'safetensors, numpy' safetensors==0.8.0 numpy
