#include "gdkd.h"
gdkd_status gdkd_dist(const gdkd_dist_config *config, const gdkd_batch *batch,
                               gdkd_result *result, void *workspace, size_t workspace_bytes){(void)config;(void)batch;(void)result;(void)workspace;(void)workspace_bytes;return GDKD_ERROR_NULL;}
size_t gdkd_dist_workspace_size(const gdkd_dist_config *config, const gdkd_batch *batch){(void)config;(void)batch;return 0;}
