// The settings that the methods' authors use for a teacher and its student, by name.
#ifndef DISTILL_PRESETS_H
#define DISTILL_PRESETS_H

extern const char *const preset_names[]; // "res56-res20" ..., ended by NULL

// What the preset at this place has for an option, as a user would write it, or NULL.
const char *preset_value(int which, const char *option_name);

#endif
