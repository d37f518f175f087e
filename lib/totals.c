#include "totals.h"

static void count_nonfinite(const block *b, int lane, int64_t row, totals *sum) {
    if (b->terms.loss[lane] - b->terms.loss[lane] == 0) return;
    if (sum->nonfinite == 0) sum->first_nonfinite = row;
    sum->nonfinite++;
}

static void add_row(const plan *p, const block *b, int lane, int64_t row, totals *sum) {
    const criterion *c = &p->c;
    const double w = p->batch->row_weight ? p->batch->row_weight[row] : 1;
    sum->total += w * b->terms.loss[lane];
    count_nonfinite(b, lane, row, sum);
    if (c->ce) sum->ce += w * b->terms.ce[lane];
    if (!c->kd) return;
    sum->kd += w * b->terms.kd[lane];
    sum->high += w * b->terms.high[lane];
    for (int g = 0; g < c->groups; g++) {
        sum->low[g] += w * b->terms.low[g][lane];
        sum->student_mass[g] += w * b->terms.student_mass[g][lane];
        sum->teacher_mass[g] += w * b->terms.teacher_mass[g][lane];
    }
}

// The same for all rows of a block that weigh the same. Of a whole block, halves are added.
static double sum_of(const lanes value, int rows) {
    double sum = 0, half[BLOCK_ROWS / 2];
    if (rows < BLOCK_ROWS) {
        for (int l = 0; l < rows; l++) sum += value[l];
        return sum;
    }
    for (int l = 0; l < BLOCK_ROWS / 2; l++) half[l] = value[l] + value[l + BLOCK_ROWS / 2];
    for (int l = 0; l < BLOCK_ROWS / 4; l++) half[l] += half[l + BLOCK_ROWS / 4];
    return (half[0] + half[2]) + (half[1] + half[3]);
}

static void add_whole_block(const plan *p, const block *b, int64_t first, totals *sum) {
    const criterion *c = &p->c;
    const double total = sum_of(b->terms.loss, b->rows);
    sum->total += total;
    for (int l = 0; !(total - total == 0) && l < b->rows; l++)
        count_nonfinite(b, l, first + l, sum);
    if (c->ce) sum->ce += sum_of(b->terms.ce, b->rows);
    if (!c->kd) return;
    sum->kd += sum_of(b->terms.kd, b->rows);
    sum->high += sum_of(b->terms.high, b->rows);
    for (int g = 0; g < c->groups; g++) {
        sum->low[g] += sum_of(b->terms.low[g], b->rows);
        sum->student_mass[g] += sum_of(b->terms.student_mass[g], b->rows);
        sum->teacher_mass[g] += sum_of(b->terms.teacher_mass[g], b->rows);
    }
}

static void add_norms(const criterion *c, const block *b, int lane, totals *sum) {
    if (c->ce) sum->norm2_ce += b->terms.norm2_ce[lane];
    if (!c->kd) return;
    sum->norm2_high += b->terms.norm2_high[lane];
    for (int g = 0; g < c->groups; g++) sum->norm2_low[g] += b->terms.norm2_low[g][lane];
}

void gdkd_add_terms(const plan *p, const block *b, int64_t first, totals *sum) {
    if (!p->batch->row_weight && used_rows(b) == (1U << b->rows) - 1U) {
        add_whole_block(p, b, first, sum);
        return;
    }
    for (int l = 0; l < b->rows; l++)
        if (!has_row(b->in[UNUSED], l)) add_row(p, b, l, first + l, sum);
}

void gdkd_add_norms(const plan *p, const block *b, totals *sum) {
    for (int l = 0; l < b->rows; l++)
        if (!has_row(b->in[UNUSED], l)) add_norms(&p->c, b, l, sum);
}

void gdkd_add_totals(const totals *from, totals *to) {
    to->total += from->total;
    to->ce += from->ce;
    to->kd += from->kd;
    to->high += from->high;
    to->norm2_ce += from->norm2_ce;
    to->norm2_high += from->norm2_high;
    for (int g = 0; g < MAX_GROUPS; g++) {
        to->low[g] += from->low[g];
        to->student_mass[g] += from->student_mass[g];
        to->teacher_mass[g] += from->teacher_mass[g];
        to->norm2_low[g] += from->norm2_low[g];
    }
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
