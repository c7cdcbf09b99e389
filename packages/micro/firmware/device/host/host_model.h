/* Models for host builds: the payload of an image says how its model behaves. */
#ifndef SANDERLING_HOST_MODEL_H
#define SANDERLING_HOST_MODEL_H

/* Behind the 20 bytes of an entry table: behaviour 4, memory 4, bias 4 (float). The forecast is the reading plus the bias, four steps long; a reading
   above 50 raises the drift alarm, the first one below ends it. */
#define HOST_MODEL_FINE 0u
#define HOST_MODEL_FAILS_TEST 1u   /* vector 3 */
#define HOST_MODEL_NOT_FINITE 2u   /* from the third reading on */
#define HOST_MODEL_HANGS 3u        /* at the third reading */
#define HOST_MODEL_DIES 4u         /* at the third reading */
#define HOST_MODEL_LARGE_ERROR 5u  /* rolling error 9 */

#endif
