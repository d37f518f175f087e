// WebP, by libwebp. Transparency is passed over, as in image_png.c.
#include "data/image_format.h"

#include <webp/decode.h>

static const char *explain(VP8StatusCode status) {
    return status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED
               ? "the file ends too early"
           : status == VP8_STATUS_UNSUPPORTED_FEATURE ? "a feature that is not supported"
                                                      : "its data are damaged";
}

bool webp_decode(decoded_image *image, const uint8_t *bytes, size_t size, const char *path,
                 error_line *e) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return error_set(e, "libwebp is another version");
    VP8StatusCode status = WebPGetFeatures(bytes, size, &config.input);
    if (status == VP8_STATUS_OK && config.input.has_animation)
        return error_set(e, "%s is an animated WebP; save one of its pictures", path);
    if (status == VP8_STATUS_OK) {
        const size_t width = (size_t)config.input.width, height = (size_t)config.input.height;
        if (!image_make_room(image, width, height, path, e)) return false;
        config.output.colorspace = MODE_RGB;
        config.output.is_external_memory = 1;
        config.output.u.RGBA.rgba = image->rgb;
        config.output.u.RGBA.stride = (int)(3 * width);
        config.output.u.RGBA.size = 3 * width * height;
        status = WebPDecode(bytes, size, &config);
        WebPFreeDecBuffer(&config.output);
    }
    if (status == VP8_STATUS_OK) return true;
    if (status == VP8_STATUS_OUT_OF_MEMORY) return error_memory(e, path);
    return error_set(e, "%s cannot be decoded as WebP: %s", path, explain(status));
}
