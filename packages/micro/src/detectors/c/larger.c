static double detector_larger(double a, double b)
{
    return (a > b) ? a : b;
}
