// A model's state_dict on disk.
#ifndef DISTILL_WEIGHTS_H
#define DISTILL_WEIGHTS_H

#include "base/error.h"
#include "base/safetensors.h"
#include "net/model.h"

// Fills the model from the file. Strict: every tensor is there, none is left over, each with its
// shape and nothing but finite values, in F32 or in F16, BF16 or F64, from which they are
// converted; otherwise the model is unchanged and the line names the tensor, what was expected and
// what was found, and the model that the file fits if there is one.
bool weights_load(model *m, const char *name, const char *path, error_line *e);

// The name of a tensor that holds a NaN or an infinity, or NULL.
const char *weights_nonfinite(const model *m);

// CRC-32 of all tensors: it tells apart two sets of weights of the same network.
unsigned long weights_checksum(const model *m);

// Writes the state_dict and notes about it.
bool weights_save(const model *m, const char *path, const safetensors_note *notes, size_t count,
                  error_line *e);

#endif
