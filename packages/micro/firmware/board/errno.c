/* The C library's errno, without the 100 bytes of reentrancy structure that its own would bring. */
int *__errno(void);

int *__errno(void)
{
    static int number;
    return &number;
}
