#include "net/map.h"

void map_pack(map_shape s, const float *plain, float *map) {
    for (int c = 0; c < s.channels; c++)
        for (int y = 0; y < s.height; y++) {
            float *to = map + map_at(s, c, y, 0);
            for (int x = 0; x < s.width; x++) to[(size_t)x * MAP_LANES] = *plain++;
        }
}

void map_unpack(map_shape s, const float *map, float *plain) {
    for (int c = 0; c < s.channels; c++)
        for (int y = 0; y < s.height; y++) {
            const float *from = map + map_at(s, c, y, 0);
            for (int x = 0; x < s.width; x++) *plain++ = from[(size_t)x * MAP_LANES];
        }
}
