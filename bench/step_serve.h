/* Our side of bench/step: this program, started again, with one supernet and the requests of bench/peer/serve.py. */
#ifndef STEP_SERVE_H
#define STEP_SERVE_H

/* argv: MODEL SUPERNET LAYOUT BATCH THREADS CANDIDATES DEPTH (LAYOUT is the peer's affair). The status of the process. */
int step_serve(char *const argv[7]);

#endif
