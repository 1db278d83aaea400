#!/bin/sh
# Install the tensorboard package, which tests/test_writer reads files with, into build/deps/tensorboard (60 MB to fetch).
# What is there already is kept; without it that one test is skipped.
exec "$(dirname "$0")/venv.sh" tensorboard tensorboard tensorboard==2.21.0
