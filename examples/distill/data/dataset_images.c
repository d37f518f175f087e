// Folders of PNG and JPEG files: train/CLASS/FILE and test/CLASS/FILE. All are decoded once, at the
// beginning, and kept as 8-bit images of one size.
#include "base/safe_file.h"
#include "base/stop.h"
#include "data/class_names.h"
#include "data/dataset.h"
#include "data/image_file.h"
#include "data/resize.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// --- Folders -------------------------------------------------------------------------------------

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

// Not alphasort, which follows the locale.
static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void free_entries(struct dirent **entries, int count) {
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
}

// The names in a folder, sorted; hidden ones are left out. One block, to be freed; NULL on failure.
static char **list_folder(const char *path, int *count, error_line *e) {
    struct dirent **entries;
    const int found = scandir(path, &entries, visible, by_bytes);
    if (found < 0) {
        error_set(e, "the folder %s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    const char **found_names = calloc((size_t)found + 1, sizeof *found_names);
    for (int i = 0; found_names && i < found; i++) found_names[i] = entries[i]->d_name;
    char **names = found_names ? names_copy(found_names, found) : NULL;
    if (!names) error_memory(e, path);
    free(found_names);
    free_entries(entries, found);
    *count = found;
    return names;
}

static bool join(char path[PATH_MAX], const char *folder, const char *name, error_line *e) {
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return true;
    return error_set(e, "%s/%s: the path is too long", folder, name);
}

// --- Classes -------------------------------------------------------------------------------------

static bool check_class(const char *part, const char *name, error_line *e) {
    char path[PATH_MAX];
    struct stat status;
    if (!join(path, part, name, e)) return false;
    if (stat(path, &status) != 0) return error_set(e, "%s: %s", path, strerror(errno));
    return S_ISDIR(status.st_mode) ||
           error_set(e, "%s is not a folder; the images stand in a folder per class", path);
}

static bool list_classes(dataset *d, const char *train, error_line *e) {
    d->class_names = list_folder(train, &d->classes, e);
    if (!d->class_names) return false;
    for (int i = 0; i < d->classes; i++)
        if (!check_class(train, d->class_names[i], e)) return false;
    return d->classes > 0 || error_set(e, "%s holds no folder of a class", train);
}

// Both folders have the same classes; otherwise the first one that is missing is named.
static bool compare_classes(const dataset *d, const char *train, const char *test, error_line *e) {
    int count;
    bool fine = true;
    char **names = list_folder(test, &count, e);
    if (!names) return false;
    for (int i = 0; fine && (i < count || i < d->classes); i++) {
        const char *own = i < d->classes ? d->class_names[i] : NULL;
        const char *other = i < count ? names[i] : NULL;
        const int order = !other ? -1 : !own ? 1 : strcmp(own, other);
        if (order < 0)
            fine = error_set(e, "%s has no folder %s as %s has it", test, own, train);
        else if (order > 0)
            fine = error_set(e, "%s has no folder %s as %s has it", train, other, test);
        else
            fine = check_class(test, other, e);
    }
    free(names);
    return fine;
}

// A class may be a link to a folder elsewhere.
static bool class_owns(const char *part, const char *path) {
    error_line ignored;
    char folder[PATH_MAX];
    bool own = false;
    int count = 0;
    char **names = list_folder(part, &count, &ignored);
    for (int i = 0; names && i < count && !own; i++)
        own = join(folder, part, names[i], &ignored) && lies_below(path, folder);
    free(names);
    return own;
}

static bool part_owns(const char *directory, const char *name, const char *path) {
    error_line ignored;
    char part[PATH_MAX];
    return join(part, directory, name, &ignored) &&
           (lies_below(path, part) || class_owns(part, path));
}

bool images_own(const char *directory, const char *path) {
    return part_owns(directory, "train", path) || part_owns(directory, "test", path);
}

// --- Files ---------------------------------------------------------------------------------------

static bool add_files(image_set *set, char **names, int count, const char *class_name, int label,
                      error_line *e) {
    const size_t total = set->count + (size_t)count;
    char **all = realloc(set->names, total * sizeof *all);
    if (all) set->names = all;
    int64_t *labels = realloc(set->labels, total * sizeof *labels);
    if (labels) set->labels = labels;
    if (!all || !labels) return error_memory(e, "the names of the images");
    for (int i = 0; i < count; i++) {
        char name[PATH_MAX];
        if (!join(name, class_name, names[i], e)) return false;
        set->labels[set->count] = label;
        set->names[set->count] = strdup(name);
        if (!set->names[set->count]) return error_memory(e, "the names of the images");
        set->count++;
    }
    return true;
}

static bool list_class(image_set *set, const dataset *d, const char *part, int label, size_t share,
                       error_line *e) {
    char folder[PATH_MAX];
    int count = 0;
    if (!join(folder, part, d->class_names[label], e)) return false;
    char **names = list_folder(folder, &count, e);
    if (!names) return false;
    const int used = (size_t)count < share ? count : (int)share;
    const bool fine = (count > 0 || error_set(e, "the class folder %s is empty", folder)) &&
                      add_files(set, names, used, d->class_names[label], label, e);
    free(names);
    return fine;
}

static bool list_images(image_set *set, const dataset *d, const char *part, size_t limit,
                        error_line *e) {
    const size_t classes = (size_t)d->classes;
    for (size_t i = 0; i < classes; i++) {
        const size_t share = limit ? limit / classes + (i < limit % classes) : INT_MAX;
        if (!list_class(set, d, part, (int)i, share, e)) return false;
    }
    return true;
}

// --- Pixels --------------------------------------------------------------------------------------

static bool decode(const image_set *set, const char *part, size_t image, decoded_image *room,
                   error_line *e) {
    char path[PATH_MAX];
    return join(path, part, set->names[image], e) && image_file_read(room, path, e) &&
           resize_to_planes(room->rgb, room->width, room->height, set->width,
                            set->pixels + image * image_bytes(set), e);
}

// Of several files that cannot be used, the first is named, whatever the threads do.
static bool decode_all(image_set *set, const char *part, error_line *e) {
    size_t failed = set->count;
#pragma omp parallel
    {
        decoded_image room = {0};
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < set->count; i++) {
            error_line own;
            size_t first;
#pragma omp atomic read
            first = failed;
            if (i > first || stop_requested() || decode(set, part, i, &room, &own)) continue;
#pragma omp critical(decode_all)
            if (i < failed) {
#pragma omp atomic write
                failed = i;
                *e = own;
            }
        }
        decoded_image_free(&room);
    }
    if (stop_requested()) return error_interrupted(e, "interrupted while reading %s", part);
    return failed == set->count;
}

static bool read_images(image_set *set, const dataset *d, const char *part, size_t limit, int size,
                        error_line *e) {
    set->channels = RGB;
    set->height = set->width = size;
    if (!list_images(set, d, part, limit, e)) return false;
    set->pixels = calloc(set->count ? set->count : 1, image_bytes(set));
    return (set->pixels || error_memory(e, "the images")) && decode_all(set, part, e);
}

// Of the training images, in 0..1. Sums of bytes are exact.
static void find_moments(dataset *d) {
    const image_set *set = &d->train;
    const size_t plane = (size_t)set->height * (size_t)set->width;
    const double count = (double)(set->count * plane);
    for (size_t c = 0; c < RGB; c++) {
        uint64_t sum = 0, squares = 0;
        for (size_t i = 0; i < set->count; i++) {
            const uint8_t *pixels = set->pixels + (i * RGB + c) * plane;
            for (size_t j = 0; j < plane; j++) {
                sum += pixels[j];
                squares += (uint64_t)pixels[j] * pixels[j];
            }
        }
        const double mean = (double)sum / count;
        d->mean[c] = (float)(mean / 255);
        d->deviation[c] = (float)(sqrt(fmax((double)squares / count - mean * mean, 0)) / 255);
    }
}

bool images_read(dataset *d, const char *directory, unsigned parts, size_t limit, int size,
                 error_line *e) {
    char train[PATH_MAX], test[PATH_MAX];
    if (!join(train, directory, "train", e) || !join(test, directory, "test", e) ||
        !list_classes(d, train, e) || !compare_classes(d, train, test, e))
        return false;
    // The training images are needed in any case: for the normalisation.
    if (!read_images(&d->train, d, train, limit, size, e)) return false;
    find_moments(d);
    if ((parts & DATASET_TEST) && !read_images(&d->test, d, test, limit, size, e)) return false;
    snprintf(d->detail, sizeof d->detail, " of %d x %d", size, size);
    if (!(parts & DATASET_TRAIN)) image_set_free(&d->train);
    return true;
}
