#include "report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool series_finished(const series *s, int run) {
    return s->logs[run].count == s->epochs;
}

// Welford's way.
void statistic_add(statistic *s, double value) {
    if (isnan(value)) return;
    const double distance = value - s->mean;
    s->count++;
    s->mean += distance / s->count;
    s->squares += distance * (value - s->mean);
}

double statistic_spread(const statistic *s) {
    return s->count > 1 ? sqrt(s->squares / (s->count - 1)) : 0;
}

summary summarise(const series *s) {
    summary r = {0};
    double library_seconds = 0;
    statistic last = {0}, best = {0};
    for (int i = 0; i < s->seeds; i++) {
        if (!series_finished(s, i)) continue;
        r.runs++;
        statistic_add(&last, run_log_last(&s->logs[i])->test_top1);
        statistic_add(&best, run_log_best(&s->logs[i])->test_top1);
        for (int j = 0; j < s->epochs; j++) {
            const epoch_record *epoch = &s->logs[i].epochs[j];
            r.seconds += epoch->seconds;
            library_seconds += epoch->library_share * epoch->seconds;
        }
    }
    if (r.runs == 0) return r;
    r.library_share = library_seconds / r.seconds;
    r.seconds /= (double)r.runs * s->epochs;
    r.last = last.mean;
    r.last_spread = statistic_spread(&last);
    r.best = best.mean;
    r.best_spread = statistic_spread(&best);
    return r;
}

void summary_format(double mean, double spread, int runs, char *text, size_t size) {
    if (runs > 1)
        snprintf(text, size, "%.2f ± %.2f", mean, spread);
    else
        snprintf(text, size, "%.2f", mean);
}

// Pads to a width in characters: printf counts the two bytes of ± as two.
static void print_cell(const char *text, int width, FILE *out) {
    int characters = 0;
    for (const char *c = text; *c; c++) characters += ((unsigned char)*c & 0xc0) != 0x80;
    fprintf(out, "%*s%s", characters < width ? width - characters : 0, "", text);
}

void summary_print(const series *all, int count, FILE *out) {
    int name_width = 4, finished = 0;
    for (int i = 0; i < count; i++) {
        if ((int)strlen(all[i].name) > name_width) name_width = (int)strlen(all[i].name);
        finished += summarise(&all[i]).runs;
    }
    if (finished == 0) return;
    fprintf(out, "\n%-*s  runs   top-1 last %%   top-1 best %%  s/epoch  libgdkd\n", name_width,
            "loss");
    for (int i = 0; i < count; i++) {
        const summary r = summarise(&all[i]);
        char last[32], best[32];
        if (r.runs == 0) continue;
        summary_format(r.last, r.last_spread, r.runs, last, sizeof last);
        summary_format(r.best, r.best_spread, r.runs, best, sizeof best);
        fprintf(out, "%-*s  %4d  ", name_width, all[i].name, r.runs);
        print_cell(last, 13, out);
        fputs("  ", out);
        print_cell(best, 13, out);
        fprintf(out, "  %7.1f  %5.2f %%\n", r.seconds, 100 * r.library_share);
    }
}

// --- In words ------------------------------------------------------------------------------------

typedef struct {
    const char *name;
    summary s;
} place;

static int best_first(const void *a, const void *b) {
    const place *x = a, *y = b;
    const int order = (x->s.last < y->s.last) - (x->s.last > y->s.last);
    return order ? order : strcmp(x->name, y->name);
}

// Whether a leads b by more than their spread, or by what nobody can judge.
static bool tell_lead(const place *a, const place *b, FILE *out) {
    const double lead = a->s.last - b->s.last, spread = fmax(a->s.last_spread, b->s.last_spread);
    const bool judged = a->s.runs > 1 && b->s.runs > 1, clear = !judged || lead > spread;
    if (!judged)
        fprintf(out, "%s is %.2f above %s (one seed tells no spread)", a->name, lead, b->name);
    else if (clear)
        fprintf(out, "%s is %.2f above %s (spread %.2f)", a->name, lead, b->name, spread);
    else
        fprintf(out, "%s and %s are %.2f apart, within their spread of %.2f", a->name, b->name,
                lead, spread);
    return clear;
}

bool summary_tell(const series *all, int count, FILE *out) {
    place *places = calloc((size_t)count + 1, sizeof *places);
    int found = 0, first = 0; // the best of those that do not differ
    if (!places) return false;
    for (int i = 0; i < count; i++) {
        places[found] = (place){all[i].name, summarise(&all[i])};
        found += places[found].s.runs > 0;
    }
    if (found > 1) qsort(places, (size_t)found, sizeof *places, best_first);
    for (int i = 1; i < found; i++) {
        fputs(i > 1 ? "; " : "Seen on the test images, in points of top-1: ", out);
        if (tell_lead(&places[first], &places[i], out)) first = i;
    }
    if (found > 1) fputs(".\n", out);
    free(places);
    return true;
}
