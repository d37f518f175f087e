// Folders of images: train/CLASS/FILE and test/CLASS/FILE. All are decoded once, at the beginning,
// and kept as 8-bit images of one size. What counts as a class and as an image is what
// torchvision's ImageFolder takes for one, but that hidden files are left out and that classes have
// no folders inside.
#include "base/escape.h"
#include "base/safe_file.h"
#include "base/stop.h"
#include "data/class_names.h"
#include "data/dataset.h"
#include "data/image_file.h"
#include "data/resize.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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

// Takes the names out that are not wanted, counts them and keeps the first.
typedef bool wanted_name(const char *folder, const char *name);

static void note_first(dataset *d, const char *folder, const char *name) {
    char path[PATH_MAX];
    error_line ignored;
    if (join(path, folder, name, &ignored))
        escape_text(d->first_passed_over, sizeof d->first_passed_over, path);
}

static void keep_names(dataset *d, const char *folder, char **names, int *count,
                       wanted_name *wanted) {
    int kept = 0;
    for (int i = 0; i < *count; i++) {
        if (wanted(folder, names[i]))
            names[kept++] = names[i];
        else if (d->passed_over++ == 0)
            note_first(d, folder, names[i]);
    }
    *count = kept;
}

// --- Classes -------------------------------------------------------------------------------------

static bool is_folder(const char *folder, const char *name) {
    char path[PATH_MAX];
    struct stat status;
    error_line ignored;
    return join(path, folder, name, &ignored) && stat(path, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

static char **list_classes(dataset *d, const char *part, int *count, error_line *e) {
    char **names = list_folder(part, count, e);
    if (names) keep_names(d, part, names, count, is_folder);
    return names;
}

static bool find_classes(dataset *d, const char *train, error_line *e) {
    d->class_names = list_classes(d, train, &d->classes, e);
    return d->class_names &&
           (d->classes > 0 || error_set(e, "%s holds no folder of a class", train));
}

// Both folders have the same classes; otherwise the first one that is missing is named.
static bool compare_classes(dataset *d, const char *train, const char *test, error_line *e) {
    int count;
    bool fine = true;
    char **names = list_classes(d, test, &count, e);
    if (!names) return false;
    for (int i = 0; fine && (i < count || i < d->classes); i++) {
        const char *own = i < d->classes ? d->class_names[i] : NULL;
        const char *other = i < count ? names[i] : NULL;
        const int order = !other ? -1 : !own ? 1 : strcmp(own, other);
        if (order < 0) fine = error_set(e, "%s has no folder %s as %s has it", test, own, train);
        if (order > 0) fine = error_set(e, "%s has no folder %s as %s has it", train, other, test);
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
    if (count == 0) return true;
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

// The endings that torchvision takes for those of images, also those that cannot be decoded here.
static bool is_image(const char *folder, const char *name) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                          ".pgm", ".tif",  ".tiff", ".webp"};
    const char *ending = strrchr(name, '.');
    (void)folder;
    for (size_t i = 0; ending && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(ending, endings[i]) == 0) return true;
    return false;
}

typedef struct {
    char **names;
    int count, used; // those in the folder; those to be read
} class_files;

static bool list_class(dataset *d, const char *part, int label, class_files *files, error_line *e) {
    char folder[PATH_MAX];
    if (!join(folder, part, d->class_names[label], e)) return false;
    files->names = list_folder(folder, &files->count, e);
    if (!files->names) return false;
    for (int i = 0; i < files->count; i++)
        if (!is_image(folder, files->names[i]) && is_folder(folder, files->names[i]))
            return error_set(e, "%s/%s is a folder; the images of a class stand in its own", folder,
                             files->names[i]);
    keep_names(d, folder, files->names, &files->count, is_image);
    files->used = files->count;
    return files->count > 0 || error_set(e, "the class folder %s holds no image", folder);
}

// Of `limit` images every class gives as many as the others, or all that it has; where the rest
// does not go round, the first classes that have more give one more.
static void share_out(class_files *files, int classes, size_t limit) {
    size_t open = (size_t)classes;
    for (int i = 0; i < classes; i++) files[i].used = 0;
    while (limit && open) {
        const size_t share = limit / open ? limit / open : 1;
        open = 0;
        for (int i = 0; i < classes; i++) {
            const size_t left = (size_t)(files[i].count - files[i].used);
            size_t more = share < left ? share : left;
            if (more > limit) more = limit;
            files[i].used += (int)more;
            limit -= more;
            open += more < left;
        }
    }
}

static bool list_images(image_set *set, dataset *d, const char *part, size_t limit, error_line *e) {
    class_files *files = calloc((size_t)d->classes + 1, sizeof *files);
    bool fine = true;
    if (!files) return error_memory(e, "the names of the images");
    for (int i = 0; fine && i < d->classes; i++) fine = list_class(d, part, i, &files[i], e);
    if (fine && limit) share_out(files, d->classes, limit);
    for (int i = 0; fine && i < d->classes; i++)
        fine = add_files(set, files[i].names, files[i].used, d->class_names[i], i, e);
    for (int i = 0; i < d->classes; i++) free(files[i].names);
    free(files);
    return fine;
}

// --- Pixels --------------------------------------------------------------------------------------

static bool decode(const image_set *set, const char *part, size_t image, decoded_image *room,
                   error_line *e) {
    char path[PATH_MAX];
    return join(path, part, set->names[image], e) && image_file_read(room, path, e) &&
           resize_to_planes(room->rgb, room->width, room->height, set->width,
                            set->pixels + image * image_bytes(set), e);
}

// What is wrong with each image, or NULL.
typedef struct {
    char **texts; // [images]
    size_t count;
    bool unread; // it says nothing of the images: then *e has the words
} image_faults;

static void keep_fault(image_faults *f, size_t image, const error_line *own, error_line *e) {
#pragma omp critical(keep_fault)
    {
        f->texts[image] = own->unread ? NULL : strdup(own->text);
        f->count++;
        if (!f->texts[image] && !f->unread) {
            f->unread = true;
            *e = *own;
            if (!own->unread) error_memory(e, "the images");
        }
    }
}

// All that cannot be used, in their order, whatever the threads do; where it is only one, as the
// failure itself.
static bool tell_faults(const image_faults *f, const image_set *set, const char *part,
                        error_line *e) {
    if (f->count == 0) return true;
    if (f->unread) return false;
    for (size_t i = 0; i < set->count; i++) {
        if (!f->texts[i]) continue;
        if (f->count == 1) return error_set(e, "%s", f->texts[i]);
        note_line("%s", f->texts[i]);
    }
    return error_set(e, "%zu of %zu images of %s cannot be used: they stand above", f->count,
                     set->count, part);
}

static void decode_images(image_set *set, const char *part, image_faults *faults, error_line *e) {
#pragma omp parallel
    {
        decoded_image room = {0};
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < set->count; i++) {
            error_line own;
            if (!stop_requested() && !decode(set, part, i, &room, &own))
                keep_fault(faults, i, &own, e);
        }
        decoded_image_free(&room);
    }
}

static bool decode_all(image_set *set, const char *part, error_line *e) {
    image_faults faults = {.texts = calloc(set->count + 1, sizeof *faults.texts)};
    if (!faults.texts) return error_memory(e, "the images");
    decode_images(set, part, &faults, e);
    const bool fine = stop_requested() ? error_interrupted(e, "interrupted while reading %s", part)
                                       : tell_faults(&faults, set, part, e);
    for (size_t i = 0; i < set->count; i++) free(faults.texts[i]);
    free(faults.texts);
    return fine;
}

static bool read_images(image_set *set, dataset *d, const char *part, size_t limit, int size,
                        error_line *e) {
    set->channels = RGB;
    set->height = set->width = size;
    if (!list_images(set, d, part, limit, e)) return false;
    set->pixels = calloc(set->count ? set->count : 1, image_bytes(set));
    return (set->pixels || error_memory(e, "the images")) && decode_all(set, part, e);
}

// They have led to their files; from here on they are for people and for other programs.
static bool escape_names(dataset *d, error_line *e) {
    char **classes = names_escaped((const char *const *)d->class_names, d->classes);
    image_set *sets[] = {&d->train, &d->test};
    bool fine = classes != NULL;
    if (classes) {
        free(d->class_names);
        d->class_names = classes;
    }
    for (int part = 0; part < 2; part++)
        for (size_t i = 0; fine && i < sets[part]->count; i++) {
            char *copy = escaped_copy(sets[part]->names[i]);
            fine = copy != NULL;
            if (!copy) continue;
            free(sets[part]->names[i]);
            sets[part]->names[i] = copy;
        }
    return fine || error_memory(e, "the names of the images");
}

bool images_read(dataset *d, const char *directory, unsigned parts, size_t limit, int size,
                 error_line *e) {
    char train[PATH_MAX], test[PATH_MAX];
    if (!join(train, directory, "train", e) || !join(test, directory, "test", e) ||
        !find_classes(d, train, e) || !compare_classes(d, train, test, e))
        return false;
    // The training images are needed in any case: for the normalisation.
    if (!read_images(&d->train, d, train, limit, size, e)) return false;
    image_set_moments(&d->train, d->mean, d->deviation);
    if ((parts & DATASET_TEST) && !read_images(&d->test, d, test, limit, size, e)) return false;
    snprintf(d->detail, sizeof d->detail, " of %d x %d", size, size);
    if (!(parts & DATASET_TRAIN)) image_set_free(&d->train);
    return escape_names(d, e);
}
