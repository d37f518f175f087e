// One plain loop, compiled for three instruction sets by the compiler's vectoriser; the best that
// the processor has is taken. The loop itself is an always-inlined function.
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#define LOOP static inline __attribute__((always_inline)) void

#if defined(__x86_64__)
#    define TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx2,fma"), noinline))
#    define TARGET_AVX2   __attribute__((target("avx2,fma"), noinline))
// Defines static void name(parameters), which runs `call` (the loop on those parameters).
#    define FOR_EACH_TARGET(name, parameters, arguments, call)                                     \
        TARGET_AVX512 static void name##_avx512 parameters {                                       \
            call;                                                                                  \
        }                                                                                          \
        TARGET_AVX2 static void name##_avx2 parameters {                                           \
            call;                                                                                  \
        }                                                                                          \
        __attribute__((noinline)) static void name##_base parameters {                             \
            call;                                                                                  \
        }                                                                                          \
        static void name parameters {                                                              \
            if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&         \
                __builtin_cpu_supports("avx512vl"))                                                \
                name##_avx512 arguments;                                                           \
            else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))              \
                name##_avx2 arguments;                                                             \
            else                                                                                   \
                name##_base arguments;                                                             \
        }
#else
#    define FOR_EACH_TARGET(name, parameters, arguments, call)                                     \
        __attribute__((noinline)) static void name parameters {                                    \
            call;                                                                                  \
        }
#endif

#endif
