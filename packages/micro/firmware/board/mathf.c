/* expf and tanhf in single precision alone, in place of the C library's: the same bits on every core and on the host (newlib's differ between cores with
   and without double precision), no errno, fewer instructions. Method and coefficients: S. L. Moshier, Cephes 2.2, single precision; the largest error
   is below 2 units in the last place. Compile with -ffp-contract=off. */
#include <math.h>
#include <stdint.h>
#include <string.h>

float expf(float x);
float tanhf(float x);

static float power_of_two(int32_t n)
{
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

float expf(float x)
{
    if (!(x < 88.72284F)) {
        return x + (float)INFINITY; /* also NaN */
    }
    if (x < -103.97209F) {
        return 0.0F;
    }
    /* x = n ln 2 + r, ln 2 in two parts of which the first is short: n times it is exact. */
    const int32_t n = (int32_t)(x * 1.44269504F + (x < 0.0F ? -0.5F : 0.5F));
    const float whole = (float)n;
    const float r = x - whole * 0.693359375F + whole * 2.12194440e-4F;
    float p = 1.9875691500e-4F;
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    /* In two steps: 2^n may be beyond the range of normal numbers. */
    const int32_t half = n / 2;
    return (p * (r * r) + r + 1.0F) * power_of_two(half) * power_of_two(n - half);
}

float tanhf(float x)
{
    const float size = fabsf(x);
    if (size > 9.1F) {
        return x < 0.0F ? -1.0F : 1.0F;
    }
    if (!(size < 0.625F)) {
        const float y = 1.0F - 2.0F / (expf(size + size) + 1.0F); /* also NaN */
        return x < 0.0F ? -y : y;
    }
    const float z = x * x;
    float p = -5.70498872745e-3F;
    p = p * z + 2.06390887954e-2F;
    p = p * z - 5.37397155531e-2F;
    p = p * z + 1.33314422036e-1F;
    p = p * z - 3.33332819422e-1F;
    return p * z * x + x;
}
