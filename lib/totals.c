#include "totals.h"

static void count_nonfinite(const block *b, int lane, int64_t row, totals *sum) {
    if (b->terms.loss[lane] - b->terms.loss[lane] == 0) return;
    if (sum->nonfinite == 0) sum->first_nonfinite = row;
    sum->nonfinite++;
}

// What is added: the weighted term of one row, or all rows' of a block that weigh 1.
typedef struct {
    int lane, rows;
    double weight;
} part;

// Of a whole block, halves are added.
static inline double sum_of(part x, const lanes value) {
    double sum = 0, half[BLOCK_ROWS / 2];
    if (x.rows == 1) return x.weight * value[x.lane];
    if (x.rows < BLOCK_ROWS) {
        for (int l = 0; l < x.rows; l++) sum += value[l];
        return sum;
    }
    for (int l = 0; l < BLOCK_ROWS / 2; l++) half[l] = value[l] + value[l + BLOCK_ROWS / 2];
    for (int l = 0; l < BLOCK_ROWS / 4; l++) half[l] += half[l + BLOCK_ROWS / 4];
    return (half[0] + half[2]) + (half[1] + half[3]);
}

static void add_terms(const criterion *c, const row_terms *of, part x, totals *sum) {
    sum->total += sum_of(x, of->loss);
    if (c->ce) sum->ce += sum_of(x, of->ce);
    if (!c->kd) return;
    sum->kd += sum_of(x, of->kd);
    sum->high += sum_of(x, of->high);
    for (int g = 0; g < c->groups; g++) {
        sum->low[g] += sum_of(x, of->low[g]);
        sum->student_mass[g] += sum_of(x, of->student_mass[g]);
        sum->teacher_mass[g] += sum_of(x, of->teacher_mass[g]);
    }
}

static void add_norms(const criterion *c, const block *b, int lane, totals *sum) {
    if (c->ce) sum->norm2_ce += b->terms.norm2_ce[lane];
    if (!c->kd) return;
    sum->norm2_high += b->terms.norm2_high[lane];
    for (int g = 0; g < c->groups; g++) sum->norm2_low[g] += b->terms.norm2_low[g][lane];
}

void gdkd_add_terms(const plan *p, const block *b, int64_t first, totals *sum) {
    const double *weight = p->batch->row_weight;
    const bool alike = !weight && used_rows(b) == (1U << b->rows) - 1U;
    if (alike) add_terms(&p->c, &b->terms, (part){0, b->rows, 1}, sum);
    if (alike && sum->total - sum->total == 0) return; // all are finite
    for (uint32_t used = used_rows(b); used; used &= used - 1) {
        const int l = __builtin_ctz(used);
        const part one = {l, 1, weight ? weight[first + l] : 1};
        if (!alike) add_terms(&p->c, &b->terms, one, sum);
        count_nonfinite(b, l, first + l, sum);
    }
}

void gdkd_add_norms(const plan *p, const block *b, totals *sum) {
    for (int l = 0; l < b->rows; l++)
        if (!has_row(b->in[UNUSED], l)) add_norms(&p->c, b, l, sum);
}

void gdkd_add_totals(const totals *restrict from, totals *restrict to) {
    for (int i = 0; i < 6; i++) to->of_rows[i] += from->of_rows[i];
    for (int i = 0; i < 4 * MAX_GROUPS; i++) to->of_groups[i] += from->of_groups[i];
    if (to->nonfinite == 0 && from->nonfinite > 0) to->first_nonfinite = from->first_nonfinite;
    to->nonfinite += from->nonfinite;
    to->grad_nonfinite += from->grad_nonfinite;
}

void gdkd_report(const plan *p, const totals *sum) {
    gdkd_result *r = p->result;
    const double d = p->divisor, w = p->weight_sum > 0 ? p->weight_sum : 1;
    r->total = sum->total / d;
    r->ce = sum->ce / d;
    r->kd = sum->kd / d;
    r->high = sum->high / d;
    for (int g = 0; g < MAX_GROUPS; g++) {
        r->low[g] = sum->low[g] / d;
        r->student_mass[g] = sum->student_mass[g] / w;
        r->teacher_mass[g] = sum->teacher_mass[g] / w;
        r->grad_norm_low[g] = sqrt(sum->norm2_low[g]);
    }
    r->grad_norm_ce = sqrt(sum->norm2_ce);
    r->grad_norm_high = sqrt(sum->norm2_high);
    r->dist_inter = r->dist_intra = 0;
    r->divisor = d;
    r->rows_used = p->rows_used;
    r->rows_nonfinite = sum->nonfinite;
    r->first_nonfinite = sum->nonfinite > 0 ? sum->first_nonfinite : -1;
    r->error_row = -1;
    r->grad_nonfinite = sum->grad_nonfinite;
}
