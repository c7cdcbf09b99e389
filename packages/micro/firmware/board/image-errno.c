/* errno inside a model image, which has no variables of its own: libm writes it and nobody reads it, so it goes to the dead words below the stack. An
   interrupt may overwrite them, and nothing is lost. */
int *__errno(void);

__attribute__((naked)) int *__errno(void)
{
    __asm__ volatile("sub r0, sp, #8\n\t"
                     "bx lr");
}

/* 64-bit division in libgcc asks for the unwinder of C++, which nobody calls. */
void __aeabi_unwind_cpp_pr0(void);
void __aeabi_unwind_cpp_pr0(void) {}
