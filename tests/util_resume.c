/* Searches that tests interrupt (util_resume.h). All are called t. */
#include "util_resume.h"

#include <check.h>
#include <stdio.h>

#include "util_rig.h"

#define DATA                                                                                                           \
    "name: t\nseed: 3\n"                                                                                               \
    "model: {type: MobileNetV2, args: {input: [1, 4, 4], n_classes: 4, width_coeff: 0.05,"                             \
    " cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 8, 1, 2]]}}\n"                                                            \
    "train_data: {type: RandData, args: {shape: [1, 4, 4], classes: 4, data_size: 28}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 4, valid_size: 8}}\n"
#define SGD                                                                                                            \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}},"       \
    " lr_scheduler: CosineAnnealingLR}}}\n"
#define GATES "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3]}\noptim: BinaryGateOptim\n"
#define INDEX "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}\noptim: RandomSearchOptim\n"

/* Of nine architectures. */
#define EVOLVES                                                                                                        \
    "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E1]}\n"                                              \
    "optim: {type: EvolutionOptim, args: {pop_size: 3, n_select: 2, mutation_prob: 0.3}}\n"
/* In the table there are eighteen. */
#define TABLED(optim)                                                                                                  \
    "name: t\nseed: 3\noptim: " optim                                                                                  \
    "\nconstruct: {space: {type: TableSpaceConstructor, args: {path: t.tsv, arch: arch}}}\n"                           \
    "estim: {search: {type: TableEstim, epochs: 6, arch_update_batch: 3,"                                              \
    " args: {path: t.tsv, arch: arch, score: acc, metrics: [cost]}}}\n"

#define SUMS(mixed, optim) "mixed_op: {type: " mixed "SumMixedOp, candidates: [MB3E1, MB3E3]}\noptim: " optim "\n"
#define SEARCH             "estim: {search: {type: SuperNetEstim, epochs: 2}}\n"

const util_resume util_resumes[] = {
    {"a gradient method", DATA SGD GATES "estim: {search: {type: SuperNetEstim, epochs: 3, arch_update_batch: 2}}\n",
     1},
    /* The space of four is used up before the third epoch. */
    {"a sampling method", DATA SGD INDEX "estim: {search: {type: SuperNetEstim, epochs: 3, arch_update_batch: 2}}\n",
     0},
    {"a chain",
     DATA GATES
     "trainer:\n"
     "  default: {type: ImageClsTrainer, args: {optimizer: {type: Adam, args: {lr: 0.01}}, w_grad_clip: 1.0}}\n"
     "  search: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}},"
     " lr_scheduler: {type: StepLR, args: {step_size: 1}}}}\n"
     "estim:\n"
     "  warm: {type: DefaultEstim, epochs: 2, args: {valid_intv: 1}}\n"
     "  search: {type: SuperNetEstim, epochs: 2, arch_update_intv: 2}\n"
     "  tune: {type: DefaultEstim, epochs: 1}\n",
     1},
    {"mixed and taught",
     DATA SGD INDEX "estim:\n"
                    "  train: {type: DefaultEstim, epochs: 3, criterion: [{type: MixUpLoss, mode: train},"
                    " {type: KnowledgeDistillLoss, mode: train, args: {train_teacher: true}}]}\n"
                    "  search: {type: RandomSamplingEstim, epochs: 2, criterion: [KnowledgeDistillLoss]}\n",
     0},
    {"averaged",
     DATA INDEX "trainer: {default: {type: ImageClsTrainer, args: {ema: 0.9, optimizer: {type: SGD, args: {lr: 0.05}}}}}\n"
                "estim:\n"
                "  train: {type: DefaultEstim, epochs: 2, args: {valid_intv: 1}}\n"
                "  search: {type: SubNetEstim, epochs: 2, arch_update_batch: 2, subnet_epochs: 1, args: {num_bn_batch: 2}}\n",
     0},
    {"Once-for-All",
     "name: t\nseed: 3\n"
     "model: {type: MobileNetV2, args: {input: [1, 4, 4], n_classes: 4, width_coeff: 0.05,"
     " cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 8, 2, 1]]}}\n"
     "construct:\n"
     "  base: MobileNetV2PredefinedConstructor\n"
     "  elastic: {type: MobileNetV2ElasticConstructor, args: {sequential_kwargs: {repeat_range: [1, 2]},"
     " spatial_kwargs: {expansion_range: [1, 2, 3]}}}\n"
     "export: {default: DefaultParamsExporter}\n"
     "train_data: {type: RandData, args: {shape: [1, 4, 4], classes: 4, data_size: 28}}\n"
     "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 4, valid_size: 8}}\n" SGD
     "optim: RandomSearchOptim\n"
     "estim:\n"
     "  shrink: {type: ProgressiveShrinkingEstim, epochs: 1, criterion: [{type: KnowledgeDistillLoss, mode: train}],"
     " args: {n_subnet_batch: 2, num_bn_batch: 1, save_stage: true}}\n"
     "  search: {type: SubNetEstim, epochs: 1, arch_update_batch: 2, args: {num_bn_batch: 1}}\n",
     0},
    {"SPOS at random",
     DATA SGD INDEX "estim:\n"
                    "  train: {type: RandomSamplingEstim, epochs: 2, args: {valid_intv: 1}}\n"
                    "  search: {type: SubNetEstim, epochs: 2, arch_update_batch: 2, args: {num_bn_batch: 2}}\n",
     0},
    {"strictly fair, then trained",
     DATA SGD INDEX "estim:\n"
                    "  train: {type: RandomSamplingEstim, epochs: 2, args: {strict: true}}\n"
                    "  search: {type: SubNetEstim, epochs: 1, subnet_epochs: 1, arch_update_batch: 2}\n",
     0},
    {"measured latency",
     DATA SGD INDEX
     "estim:\n"
     "  search: {type: SubNetEstim, epochs: 2, arch_update_batch: 2, subnet_epochs: 1, args: {num_bn_batch: 2},"
     " metrics: [ValidateMetrics, {type: LatencyMetrics, args: {runs: 3, record: r.tsv}}]}\n"
     "objective: {minimize: [latency_ms]}\n",
     0},
    {"DARTS", DATA SGD SUMS("Softmax", "DARTSOptim") SEARCH, 0},
    {"SNAS", DATA SGD SUMS("Gumbel", "GumbelAnnealingOptim") SEARCH, 0},
    {"DirectGrad", DATA SGD SUMS("Softmax", "DirectGradOptim") SEARCH, 0},
    {"callbacks",
     DATA SGD GATES "estim: {search: {type: SuperNetEstim, epochs: 5}}\n"
                    "callback: {early: {type: EarlyStopping, args: {threshold: 2}}, stats: MixedOpStatsReporter}\n",
     1},
    {"DirectGradBiLevel", DATA SGD SUMS("Softmax", "DirectGradBiLevelOptim") SEARCH, 0},
    {"SPOS and evolution",
     DATA SGD EVOLVES "estim:\n"
                      "  train: {type: RandomSamplingEstim, epochs: 2}\n"
                      "  search: {type: SubNetEstim, epochs: 4, arch_update_batch: 2, args: {num_bn_batch: 2}}\n",
     1},
    {"supernet and evolution",
     DATA SGD EVOLVES "estim: {search: {type: SuperNetEstim, epochs: 3, arch_update_intv: 2, arch_update_batch: 2}}\n",
     0},
    {"evolution", TABLED("{type: EvolutionOptim, args: {pop_size: 4, n_select: 2, mutation_prob: 0.3}}"), 0},
    {"aging evolution", TABLED("{type: RegularizedEvolutionOptim, args: {pop_size: 4, n_select: 2}}"), 0},
    {"REINFORCE as a policy", TABLED("{type: REINFORCEOptim, args: {batch_size: 4}}"), 0},
    {"NSGA2", TABLED("{type: NSGA2Optim, args: {pop_size: 4}}") "objective: {maximize: [acc], minimize: [cost]}\n", 0},
    {"ModelBased", TABLED("{type: ModelBasedOptim, args: {n_next_pts: 4, n_iter: 8, greedy_e: 0.3}}"), 0},
    {"local search", TABLED("LocalSearchOptim"), 0},
    {"grid", TABLED("GridSearchOptim"), 0},
};
const size_t util_n_resumes = sizeof util_resumes / sizeof util_resumes[0];

void util_resume_table(void) {
    FILE *f = fopen("t.tsv", "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "arch\tacc\tcost\n");
    for (int i = 0; i < 18; i++) fprintf(f, "%c%d%d\t%d\t%d\n", "abc"[i / 6], i / 2 % 3, i % 2, i * 7 % 18, i * 5 % 11);
    ck_assert_int_eq(fclose(f), 0);
}

void util_resume_setup(void) {
    rig_setup();
    util_resume_table();
}

typedef struct stopper {
    int at, n; /* canceled in which call; calls so far */
} stopper;

static int stop(const modnas_progress *p, void *ud) {
    stopper *s = ud;
    (void)p;
    if (++s->n == s->at) modnas_cancel(rig.ctx);
    return 0;
}

int util_resume_run(const char *yaml, const char *const *over, int at, int resume, int *n) {
    stopper s = {.at = at};
    rig.opts.progress = stop;
    rig.opts.progress_ud = &s;
    rig.opts.resume = resume;
    const int rc = util_rig_yaml(&rig, yaml, over);
    rig.opts.progress = NULL;
    rig.opts.resume = 0;
    if (n) *n = s.n;
    return rc;
}
