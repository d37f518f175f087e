#include "app/compare_list.h"

#include <stdio.h>
#include <string.h>

// One "key=value" of a variant: any option of distill that sets a variable of the loss.
static bool apply_setting(settings *s, const char *variant_name, char *setting, error_line *e) {
    char *value = strchr(setting, '=');
    if (value) *value++ = '\0';
    const option *o = option_find(settings_options, COMMAND_DISTILL, setting);
    const ptrdiff_t member = o ? settings_of_loss(o) : -1;
    if (!value || member < 0 || strcmp(setting, "loss") == 0)
        return error_usage(e,
                           "--losses %s: '%s' is no option of a loss; write it as in gdkd:k=3:w2=4",
                           variant_name, setting);
    if (!criterion_uses((loss_kind)s->loss.kind, (size_t)member))
        return error_usage(e, "--losses %s: %s has no effect on %s", variant_name, setting,
                           loss_names[s->loss.kind]);
    return option_store(o, s, value, e);
}

static bool parse_variant(const settings *s, variant *v, error_line *e) {
    char *rest = NULL;
    const option *loss = option_find(settings_options, COMMAND_DISTILL, "loss");
    settings own = *s;
    memcpy(v->words, v->name, sizeof v->words);
    const char *name = strtok_r(v->words, ":", &rest);
    if (!name || !option_store(loss, &own, name, e))
        return error_usage(e, "--losses: '%s' is no loss; gdkd-distill compare --help lists them",
                           v->name);
    for (char *setting; (setting = strtok_r(NULL, ":", &rest));)
        if (!apply_setting(&own, v->name, setting, e)) return false;
    v->loss = own.loss;
    return true;
}

int compare_losses(const settings *s, variant list[MAX_VARIANTS], error_line *e) {
    int count = 0;
    for (const char *from = s->losses; *from;) {
        const size_t length = strcspn(from, ",");
        if (count == MAX_VARIANTS || length >= VARIANT_NAME)
            return error_usage(e, "--losses: more than %d losses, or one longer than %d characters",
                               MAX_VARIANTS, VARIANT_NAME - 1);
        snprintf(list[count].name, sizeof list[count].name, "%.*s", (int)length, from);
        for (int i = 0; i < count; i++)
            if (strcmp(list[i].name, list[count].name) == 0)
                return error_usage(e, "--losses: %s stands twice", list[i].name);
        if (!parse_variant(s, &list[count++], e)) return 0;
        from += length + (from[length] == ',');
    }
    if (count == 0) error_usage(e, "--losses wants a list, as in ce,kd,dkd,gdkd");
    return count;
}

int compare_seeds(const char *text, uint64_t list[MAX_SEEDS], error_line *e) {
    static const option seed = {.name = "seeds", .kind = OPTION_SEED};
    int count = 0;
    for (const char *from = text; *from;) {
        char one[32];
        const size_t length = strcspn(from, ",");
        if (count == MAX_SEEDS || length >= sizeof one)
            return error_usage(e, "--seeds: more than %d seeds, or one that is no number",
                               MAX_SEEDS);
        snprintf(one, sizeof one, "%.*s", (int)length, from);
        if (!option_store(&seed, &list[count], one, e)) return 0;
        for (int i = 0; i < count; i++)
            if (list[i] == list[count]) return error_usage(e, "--seeds: %s stands twice", one);
        count++;
        from += length + (from[length] == ',');
    }
    if (count == 0) error_usage(e, "--seeds wants a list, as in 1,2");
    return count;
}
