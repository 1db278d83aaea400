#!/bin/sh
# Install what the Python binding needs, cffi and NumPy, into build/deps/python; tests/python runs there.
exec "$(dirname "$0")/venv.sh" python 'cffi, numpy' cffi==2.0.0 numpy==2.3.5
