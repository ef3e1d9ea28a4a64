#include <stdint.h>
#include <stdio.h>

/* Registers of the card; addresses in bytes. */
uint32_t hardslice_read(uint32_t address);
void hardslice_write(uint32_t address, uint32_t value);
/* Carries the operations out; 0 if all went well. */
int hardslice_run(void);

/* A write if there is no failure to report, otherwise: read until (value & mask) == expected. */
struct operation {
    uint32_t address, mask, value, polls;
    const char *failure;
};

static const struct operation operations[] = {
/* OPERATIONS */
    {0, 0, 0, 0, 0},
};

int hardslice_run(void)
{
    size_t count = sizeof operations / sizeof *operations - 1;
    for (const struct operation *step = operations; step < operations + count; step++) {
        uint32_t value, left = step->polls;
        if (!step->failure) {
            hardslice_write(step->address, step->value);
            continue;
        }
        while (((value = hardslice_read(step->address)) & step->mask) != step->value) {
            if (--left == 0) {
                fprintf(stderr, "hardslice: %s at 0x%x should be 0x%x under mask 0x%x, is 0x%x\n", step->failure,
                        (unsigned)step->address, (unsigned)step->value, (unsigned)step->mask, (unsigned)value);
                return 1;
            }
        }
    }
    return 0;
}

#ifdef HARDSLICE_MAIN
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

static volatile uint32_t *registers;

uint32_t hardslice_read(uint32_t address)
{
    return registers[address / 4];
}

void hardslice_write(uint32_t address, uint32_t value)
{
    registers[address / 4] = value;
}

int main(int arguments, char **argument)
{
    if (arguments != 3) {
        fprintf(stderr, "hardslice: call it with a device, such as /dev/uio0, and the size of its registers in bytes\n");
        return 2;
    }
    int device = open(argument[1], O_RDWR | O_SYNC);
    if (device < 0) {
        perror(argument[1]);
        return 2;
    }
    void *memory = mmap(0, strtoul(argument[2], 0, 0), PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    if (memory == MAP_FAILED) {
        perror(argument[1]);
        return 2;
    }
    registers = memory;
    return hardslice_run();
}
#endif
